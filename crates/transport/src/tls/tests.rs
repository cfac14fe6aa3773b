//! Tests of accepted and rejected clients, and of changed files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchkey_core::principal::ClientCertificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsConnector;

use super::acceptor::crypto_provider;
use super::fixture::{Ca, StoppedClock, write};
use super::{Acceptor, ClientAuthFiles, Protocol, SettingFile, TlsConnection, TlsFiles, check_files};

pub(super) fn setting_file(path: PathBuf, setting: &'static str) -> SettingFile {
    SettingFile { path, setting }
}

pub(super) struct TlsFixture {
    folder: tempfile::TempDir,
    pub(super) ca: Ca,
    pub(super) files: TlsFiles,
}

impl TlsFixture {
    pub(super) fn new(clients: Option<&Ca>) -> Self {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
        let (cert, key) = ca.issue(&["localhost"], false);
        let ca_file = |ca: &Ca| setting_file(write(folder.path(), "clients.pem", &ca.pem), "tls_client_ca");
        let files = TlsFiles {
            cert: setting_file(write(folder.path(), "cert.pem", &cert), "tls_cert"),
            key: setting_file(write(folder.path(), "key.pem", &key), "tls_key"),
            client_auth: clients.map(|ca| ClientAuthFiles { ca: ca_file(ca), crl: None }),
        };
        Self { folder, ca, files }
    }

    pub(super) fn acceptor(&self) -> Acceptor {
        Acceptor::new(self.files.clone(), Protocol::Http2, Arc::new(StoppedClock))
            .unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

pub(super) fn client(
    ca: &str,
    shown: Option<&(String, String)>,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(crypto_provider());
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    match shown {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).collect::<Result<_, _>>().unwrap();
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    }
}

/// Opens a connection and sends a byte. Returns the client's certificate and the ALPN protocol as the server sees them.
pub(super) async fn connect_once(
    acceptor: &Acceptor,
    client: ClientConfig,
) -> io::Result<(Option<ClientCertificate>, Option<Vec<u8>>)> {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let serve = async {
        let TlsConnection { mut stream, certificate: shown, .. } = acceptor.accept(near).await?;
        stream.write_all(b"!").await?;
        stream.shutdown().await?;
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok::<_, io::Error>((shown, protocol))
    };
    let call = async {
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, far).await?;
        let mut first = [0];
        // With TLS 1.3, a client learns only here that its certificate was rejected.
        stream.read_exact(&mut first).await
    };
    let (served, called) = tokio::join!(serve, call);
    let served = served?;
    called?;
    Ok(served)
}

pub(super) const VERSIONS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn a_client_that_knows_the_ca_connects_with_both_versions() {
    let fixture = TlsFixture::new(None);
    let acceptor = fixture.acceptor();
    for version in VERSIONS {
        let (shown, _) = connect_once(&acceptor, client(&fixture.ca.pem, None, version)).await.unwrap();
        assert_eq!(shown, None, "no certificate is asked for");
        assert!(
            connect_once(&acceptor, client(&Ca::new().pem, None, version)).await.is_err(),
            "another CA's server"
        );
    }
}

#[tokio::test]
async fn http_2_is_agreed_on_and_nothing_else() {
    let fixture = TlsFixture::new(None);
    let acceptor = fixture.acceptor();
    let offering = |protocol: &[u8]| {
        let mut client = client(&fixture.ca.pem, None, VERSIONS[1]);
        client.alpn_protocols = vec![protocol.to_vec()];
        client
    };
    assert_eq!(connect_once(&acceptor, offering(b"h2")).await.unwrap().1.as_deref(), Some(&b"h2"[..]));
    assert!(connect_once(&acceptor, offering(b"http/1.1")).await.is_err());
}

#[tokio::test]
async fn a_client_is_known_by_the_names_of_its_certificate() {
    let clients = Ca::new();
    let fixture = TlsFixture::new(Some(&clients));
    let shown = clients.issue(&["Ops.example", "spiffe://corp/ops", "127.0.0.1"], false);
    for version in VERSIONS {
        let (names, _) =
            connect_once(&fixture.acceptor(), client(&fixture.ca.pem, Some(&shown), version)).await.unwrap();
        let names: Vec<String> = names.unwrap().0.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ops.example", "spiffe://corp/ops"]);
    }
}

#[tokio::test]
async fn a_missing_a_foreign_and_an_expired_certificate_are_rejected() {
    let clients = Ca::new();
    let fixture = TlsFixture::new(Some(&clients));
    let acceptor = fixture.acceptor();
    let (stranger, ended) = (Ca::new().issue(&["ops"], false), clients.issue(&["ops"], true));
    for version in VERSIONS {
        for shown in [None, Some(&stranger), Some(&ended)] {
            assert!(
                connect_once(&acceptor, client(&fixture.ca.pem, shown, version)).await.is_err(),
                "{shown:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_new_pair_is_used_and_a_broken_one_is_not() {
    let fixture = TlsFixture::new(None);
    let acceptor = fixture.acceptor();
    let other = Ca::new();
    let (cert, key) = other.issue(&["localhost"], false);
    write(fixture.path(), "cert.pem", &cert);
    let errors = acceptor.reload().await.unwrap_err();
    assert!(errors[0].to_string().contains("tls_key"), "half of a pair: {errors:?}");
    assert!(
        connect_once(&acceptor, client(&fixture.ca.pem, None, VERSIONS[1])).await.is_ok(),
        "the previous certificate stays in force"
    );
    write(fixture.path(), "key.pem", &key);
    acceptor.reload().await.unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(connect_once(&acceptor, client(&other.pem, None, VERSIONS[1])).await.is_ok());
    assert!(connect_once(&acceptor, client(&fixture.ca.pem, None, VERSIONS[1])).await.is_err());
}

#[tokio::test]
async fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let fixture = TlsFixture::new(Some(&Ca::new()));
    let acceptor = fixture.acceptor();
    for (name, setting) in [("key.pem", "tls_key ("), ("clients.pem", "tls_client_ca (")] {
        let path = fixture.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let errors = acceptor.reload().await.unwrap_err();
        assert!(errors.len() == 1 && errors[0].to_string().starts_with(setting), "{errors:?}");
        assert!(errors[0].remedy.contains("replace it by a regular file"), "{errors:?}");
        std::fs::remove_file(&path).unwrap();
        write(fixture.path(), name, &text);
    }
    assert_eq!(acceptor.reload().await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_handshake_is_closed() {
    let (_client, server) = duplex(64);
    let error = TlsFixture::new(None).acceptor().accept(server).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn an_error_names_the_setting_and_the_remedy() {
    let fixture = TlsFixture::new(None);
    let (_, foreign) = Ca::new().issue(&["localhost"], false);
    let foreign = write(fixture.path(), "foreign.pem", &foreign);
    let empty = write(fixture.path(), "empty.pem", "canary\n");
    let block = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    let broken = write(fixture.path(), "broken.pem", block);
    let second = write(fixture.path(), "second.pem", &format!("{}{block}", fixture.ca.pem));
    let missing = fixture.path().join("missing.pem");
    let (cert, key) = (fixture.files.cert.path.clone(), fixture.files.key.path.clone());
    let files = |cert: &Path, key: &Path, ca: Option<&Path>| TlsFiles {
        cert: setting_file(cert.to_owned(), "tls_cert"),
        key: setting_file(key.to_owned(), "tls_key"),
        client_auth: ca
            .map(|ca| ClientAuthFiles { ca: setting_file(ca.to_owned(), "tls_client_ca"), crl: None }),
    };
    let cases = [
        (&cert, &foreign, None, "tls_key (", "not the key of the certificate"),
        (&missing, &key, None, "tls_cert (", "can't be read"),
        (&empty, &key, None, "tls_cert (", "no certificate"),
        (&cert, &cert, None, "tls_key (", "no private key"),
        (&cert, &key, Some(key.as_path()), "tls_client_ca (", "no certificate"),
        (&broken, &key, None, "tls_cert (", "cannot be parsed (it is truncated or malformed: "),
        (
            &cert,
            &key,
            Some(second.as_path()),
            "tls_client_ca (",
            "(certificate 2 of 2: it is truncated or malformed: ",
        ),
    ];
    for (cert, key, ca, setting, remedy) in cases {
        let messages: Vec<String> =
            check_files(&files(cert, key, ca)).iter().map(ToString::to_string).collect();
        assert!(
            messages.len() == 1 && messages[0].starts_with(setting) && messages[0].contains(remedy),
            "{messages:?}"
        );
        assert!(!messages[0].contains("canary"), "{messages:?}");
    }
    assert_eq!(
        check_files(&files(&missing, &empty, Some(&missing))).len(),
        3,
        "all errors are reported together"
    );
    assert_eq!(check_files(&fixture.files), []);
}
