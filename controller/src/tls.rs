//! Mutual TLS: with switches, and between two controllers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Error;

/// The name that a controller's certificate has to have, for the other controller to believe it: a
/// switch's certificate of the same authority has not.
pub const CONTROLLER_NAME: &str = "nearcast-controller";

/// The files of TLS, all PEM.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Our certificate, and those between it and the authority's.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificates of the authorities that may have signed others'.
    pub ca: PathBuf,
}

/// Both ends of TLS, each of which shows a certificate and asks for one.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing of the kind, and a key that is not the
    /// certificate's.
    pub(crate) fn load(files: &TlsFiles) -> Result<Tls, Error> {
        let wrong = |path: &Path, why: String| Error::Tls { path: path.to_owned(), why };
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| wrong(&files.key, error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.ca)? {
            roots.add(authority).map_err(|error| wrong(&files.ca, error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| wrong(&files.ca, error.to_string()))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .and_then(|versions| {
                versions
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(chain.clone(), key.clone_key())
            })
            .map_err(|error| wrong(&files.cert, error.to_string()))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|versions| {
                versions.with_root_certificates(roots).with_client_auth_cert(chain, key)
            })
            .map_err(|error| wrong(&files.cert, error.to_string()))?;
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    /// Speaks TLS to the other controller, and makes sure that it is one.
    pub(crate) async fn connect(
        &self,
        stream: tokio::net::TcpStream,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let name = ServerName::try_from(CONTROLLER_NAME).map_err(std::io::Error::other)?;
        self.connector.connect(name, stream).await
    }
}

/// Whether who connected showed a certificate that names a controller, and not just a switch.
pub(crate) fn names_controller(connection: &ServerConnection) -> bool {
    let shown = connection.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    let name = ServerName::try_from(CONTROLLER_NAME).ok();
    shown.zip(name).is_some_and(|(shown, name)| verify_server_name(&shown, &name).is_ok())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |why: String| Error::Tls { path: path.to_owned(), why };
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it holds no certificate in PEM".to_owned()));
    }
    Ok(found)
}

/// Why TLS with `peer` did not come about, for people.
pub(crate) fn refused(peer: SocketAddr, error: &std::io::Error) -> String {
    format!("TLS with {peer} failed: {error}")
}
