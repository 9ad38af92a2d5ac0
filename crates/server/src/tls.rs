//! TLS: the operator's certificates by name, or one of our own; loaded again on request.

mod own;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::config::Config;

/// The largest file of certificates or keys that is read.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file holds no usable certificate or key.
    #[error("{} holds no usable {what}; give a PEM file", path.display())]
    Unusable {
        /// What was looked for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it is not usable.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("{} is missing beside {}; put it back, or move the other one away and a new pair is made", missing.display(), there.display())]
    Half {
        /// Which file is not there.
        missing: PathBuf,
        /// Which is.
        there: PathBuf,
    },
    /// The server's own certificate cannot be made.
    #[error("cannot make a certificate")]
    Generate(#[source] rcgen::Error),
}

/// Where the certificates lie.
#[derive(Debug, Clone)]
struct Places {
    certificate: PathBuf,
    key: PathBuf,
    by_name: Option<PathBuf>,
}

/// The certificates in use.
#[derive(Debug)]
struct Certificates {
    default: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

/// Chooses a certificate for each client by the name that it asks for.
#[derive(Debug)]
struct Resolver {
    current: RwLock<Arc<Certificates>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let named = hello
            .server_name()
            .and_then(|name| current.by_name.get(name))
            .cloned();
        Some(named.unwrap_or_else(|| current.default.clone()))
    }
}

/// Accepts TLS connections; clones share their certificates.
#[derive(Clone)]
pub(crate) struct TlsAcceptor {
    acceptor: tokio_rustls::TlsAcceptor,
    http_acceptor: tokio_rustls::TlsAcceptor,
    resolver: Arc<Resolver>,
    places: Places,
}

impl TlsAcceptor {
    /// Loads the operator's certificate, or makes one of our own at first.
    pub(crate) fn new(config: &Config) -> Result<Self, TlsError> {
        let places = places(config)?;
        let resolver = Arc::new(Resolver {
            current: RwLock::new(Arc::new(load(&places)?)),
        });
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3");
        let server = builder
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        let mut http = server.clone();
        http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: Arc::new(server).into(),
            http_acceptor: Arc::new(http).into(),
            resolver,
            places,
        })
    }

    /// Loads the certificates again; connections that are open keep theirs.
    ///
    /// # Errors
    /// The ones in use stay in use.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let loaded = Arc::new(load(&self.places)?);
        *self
            .resolver
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// What connections of no application protocol are accepted with.
    pub(crate) fn settings(&self) -> Arc<ServerConfig> {
        self.acceptor.config().clone()
    }

    /// Accepts a connection that is to speak HTTP, of the version that the client prefers.
    pub(crate) async fn accept_http(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.http_acceptor.accept(stream).await
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

/// Reads a PEM file, which is small: more than that is not taken into memory.
fn read_pem(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes));
    let file = |source| TlsError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    read.map_err(file)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        let source = io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than any PEM file",
        );
        return Err(file(source));
    }
    Ok(bytes)
}

/// Checks the certificates that are there, before anything else is begun.
///
/// # Errors
/// Those of loading them; that none was made yet is none.
pub(crate) fn check(config: &Config) -> Result<(), TlsError> {
    if config.listeners.amqps_address().is_none() {
        return Ok(());
    }
    if config.tls.certificate.is_none() {
        return check_own(&config.tls_dir()).map(drop);
    }
    load(&places(config)?).map(drop)
}

/// Checks the pair that the server made itself; tells whether there is one.
///
/// # Errors
/// Those of loading it.
pub(crate) fn check_own(dir: &Path) -> Result<bool, TlsError> {
    if !dir.join(own::CERTIFICATE).exists() && !dir.join(own::KEY).exists() {
        return Ok(false);
    }
    load(&own::own_certificate(dir, None)?).map(|_| true)
}

fn places(config: &Config) -> Result<Places, TlsError> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(Places {
            certificate: certificate.clone(),
            key: key.clone(),
            by_name: config.tls.directory.clone(),
        }),
        _ => own::own_certificate(&config.tls_dir(), config.tls.directory.clone()),
    }
}

fn load(places: &Places) -> Result<Certificates, TlsError> {
    let default = load_pair(&places.certificate, &places.key)?;
    let mut by_name = HashMap::new();
    if let Some(dir) = &places.by_name {
        let failed = |source| TlsError::File {
            operation: "list",
            path: dir.clone(),
            source,
        };
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .map(str::to_owned);
            if let (Some(name), Some("crt")) = (
                name,
                path.extension().and_then(|extension| extension.to_str()),
            ) {
                by_name.insert(name, load_pair(&path, &path.with_extension("key"))?);
            }
        }
    }
    Ok(Certificates { default, by_name })
}

fn load_pair(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let unusable =
        |what, path: &Path, source: Box<dyn std::error::Error + Send + Sync>| TlsError::Unusable {
            what,
            path: path.to_owned(),
            source,
        };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read_pem(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable("certificate", certificate, error.into()))?;
    let private = PrivateKeyDer::from_pem_slice(&read_pem(key)?)
        .map_err(|error| unusable("key", key, error.into()))?;
    let pair = CertifiedKey::from_der(chain, private, &ring::default_provider());
    pair.map(Arc::new)
        .map_err(|error| unusable("pair of certificate and key", certificate, error.into()))
}
