//! AMQP over TLS: our own certificate, the operator's by name, and loading them again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::server::{DEADLINE, Server, command, wait_until};
use crate::wire::HEADER;

/// Connects, asks for a name, trusts these certificates only, and returns the one that the server showed.
fn shown(
    server: &Server,
    name: &str,
    trusted: &[&Path],
) -> Result<CertificateDer<'static>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    for path in trusted {
        roots
            .add(CertificateDer::from_pem_file(path).unwrap())
            .unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TcpStream::connect(server.address("amqps"))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let mut stream = StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        socket,
    );
    stream.write_all(HEADER)?;
    let mut head = [0; 11];
    stream.read_exact(&mut head)?;
    assert_eq!(
        (head[0], &head[7..]),
        (1, &[0, 10, 0, 10][..]),
        "connection.start"
    );
    Ok(stream.conn.peer_certificates().unwrap()[0]
        .clone()
        .into_owned())
}

/// Writes NAME.crt and NAME.key for a name.
fn write_certificate(directory: &Path, file: &str, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(
        directory.join(format!("{file}.key")),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    std::fs::write(directory.join(format!("{file}.crt")), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

#[test]
fn the_first_start_makes_a_certificate_that_stays() {
    let server = Server::start(&[]);
    let own = server.data.join("tls/server.crt");
    let first = shown(&server, "localhost", &[&own]).unwrap();
    shown(&server, "127.0.0.1", &[&own]).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(server.data.join("tls/server.key"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o077, 0, "the key is for its owner only");
    let data = server.data.clone();
    let _kept = server.kill();
    let server = Server::start_on(&data, &[]);
    assert_eq!(shown(&server, "localhost", &[&own]).unwrap(), first);
}

#[test]
fn an_untrusted_certificate_is_refused_by_the_command_line_and_a_trusted_one_is_used() {
    let server = Server::start(&[]);
    let url = format!("amqps://guest:guest@{}/%2f", server.address("amqps"));
    let refused = server.chaski(&["queue", "declare", "q", "--url", &url]);
    assert!(!refused.status.success());
    let own = server.data.join("tls/server.crt");
    let own = own.to_str().unwrap();
    for arguments in [
        &["queue", "declare", "q"][..],
        &["publish", "-k", "q", "hello"],
        &["consume", "q"],
    ] {
        let done = server.chaski(&[arguments, &["--url", &url, "--ca", own]].concat());
        assert!(done.status.success(), "{done:?}");
    }
}

#[test]
fn the_certificate_follows_the_name_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let one = write_certificate(directory.path(), "one.example", "one.example");
    let two = write_certificate(directory.path(), "two.example", "two.example");
    let server = Server::start(&[
        "--set",
        &format!("tls.directory={}", directory.path().display()),
    ]);
    let path = |name: &str| directory.path().join(name);
    assert_eq!(
        shown(&server, "one.example", &[&path("one.example.crt")]).unwrap(),
        one
    );
    assert_eq!(
        shown(&server, "two.example", &[&path("two.example.crt")]).unwrap(),
        two
    );
    // Names are not case-sensitive, and one that is not known gets the default.
    assert_eq!(
        shown(&server, "Two.Example", &[&path("two.example.crt")]).unwrap(),
        two
    );
    shown(&server, "localhost", &[&server.data.join("tls/server.crt")]).unwrap();
}

#[test]
fn certificates_are_loaded_again_without_losing_a_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let first = write_certificate(directory.path(), "server", "localhost");
    let server = Server::start(&[
        "--set",
        &format!("tls.certificate={}", path("server.crt").display()),
        "--set",
        &format!("tls.key={}", path("server.key").display()),
    ]);
    let crt = path("server.crt");
    assert_eq!(shown(&server, "localhost", &[&crt]).unwrap(), first);
    let mut open = crate::wire::Wire::open(server.address("amqp"));
    let second = write_certificate(directory.path(), "server", "localhost");
    let reloaded = server.chaski(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    assert_eq!(shown(&server, "localhost", &[&crt]).unwrap(), second);
    let third = write_certificate(directory.path(), "server", "localhost");
    server.signal(rustix::process::Signal::HUP);
    wait_until("SIGHUP loads the certificate", || {
        shown(&server, "localhost", &[&crt]).is_ok_and(|found| found == third)
    });
    // A file that is no certificate is refused, and the one in use stays.
    std::fs::write(path("server.key"), "not a key").unwrap();
    let refused = server.chaski(&["reload"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("server.key"),
        "{said}"
    );
    assert_eq!(shown(&server, "localhost", &[&crt]).unwrap(), third);
    open.declare("still.open");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_start() {
    let directory = tempfile::tempdir().unwrap();
    write_certificate(directory.path(), "server", "localhost");
    let crt = directory.path().join("server.crt");
    let output = command(&directory.path().join("data"))
        .args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "127.0.0.1:0"])
        .args([
            "--set",
            &format!("tls.certificate={}", crt.display()),
            "--set",
            &format!("tls.key={}", crt.display()),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("server.crt"),
        "{said}"
    );
}

#[test]
fn bytes_that_are_no_tls_close_only_their_connection() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.address("amqps")).unwrap();
    stream.write_all(HEADER).unwrap();
    let said = crate::server::read_to_end(&mut stream);
    assert!(!said.starts_with(b"AMQP") && said.len() < 64, "{said:?}");
    shown(&server, "localhost", &[&server.data.join("tls/server.crt")]).unwrap();
}
