//! TLS: the operator's certificates by name, or one of our own; loaded again on request.

use std::collections::HashMap;
use std::fs;
use std::io;
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
    resolver: Arc<Resolver>,
    places: Places,
}

impl TlsAcceptor {
    /// Loads the operator's certificate, or makes one of our own at first.
    pub(crate) fn new(config: &Config) -> Result<Self, TlsError> {
        let places = match (&config.tls.certificate, &config.tls.key) {
            (Some(certificate), Some(key)) => Places {
                certificate: certificate.clone(),
                key: key.clone(),
                by_name: config.tls.directory.clone(),
            },
            _ => own_certificate(&config.tls_dir(), config.tls.directory.clone())?,
        };
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
        Ok(Self {
            acceptor: Arc::new(server).into(),
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

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

fn own_certificate(dir: &Path, by_name: Option<PathBuf>) -> Result<Places, TlsError> {
    let places = Places {
        certificate: dir.join("server.crt"),
        key: dir.join("server.key"),
        by_name,
    };
    if places.certificate.exists() && places.key.exists() {
        return Ok(places);
    }
    let file = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File {
            operation,
            path,
            source,
        }
    };
    fs::create_dir_all(dir).map_err(file("create", dir))?;
    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Generate)?;
    write_private(&places.key, made.signing_key.serialize_pem().as_bytes())
        .map_err(file("write", &places.key))?;
    fs::write(&places.certificate, made.cert.pem()).map_err(file("write", &places.certificate))?;
    Ok(places)
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
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
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable("certificate", certificate, error.into()))?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", key, error.into()))?;
    let pair = CertifiedKey::from_der(chain, private, &ring::default_provider());
    pair.map(Arc::new)
        .map_err(|error| unusable("pair of certificate and key", certificate, error.into()))
}
