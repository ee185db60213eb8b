//! TLS as the kit's client speaks it: one version at a time, with this certificate, another, or none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, SupportedProtocolVersion};

/// What the command line says of TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Certificates of the authorities that the endpoint's is checked by.
    pub authorities: PathBuf,
    /// The name its certificate has to have.
    pub server_name: String,
    /// What the client shows; with it the endpoint has to ask for one.
    pub client: Option<CertificateFiles>,
    /// One that has expired, or that another authority has signed: to be refused.
    pub refused: Option<CertificateFiles>,
    /// A command that gives the endpoint another certificate.
    pub rotate: Option<String>,
}

/// A certificate with what leads to its authority, and its key.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// PEM, the certificate first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// TLS, read and checked.
#[derive(Clone, Debug)]
pub struct Tls {
    authorities: Arc<RootCertStore>,
    server_name: ServerName<'static>,
    client: Option<Arc<Certificate>>,
    refused: Option<Arc<Certificate>>,
    /// A command that gives the endpoint another certificate.
    pub(crate) rotate: Option<String>,
}

#[derive(Debug)]
struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The files for TLS are of no use; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// A file cannot be read as PEM.
    #[error("{} cannot be read as PEM", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{} has no certificate in it", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
    },
    /// A name that no certificate can have.
    #[error("{name:?} is no name of a server")]
    Name {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: InvalidDnsNameError,
    },
    /// An authority's certificate is of no use, or a key does not belong to its certificate.
    #[error("the certificates cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// What a client does in its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Shows the certificate that was given, if any, and speaks either version.
    Usual,
    /// The same with TLS 1.2 alone.
    Only12,
    /// The same with TLS 1.3 alone.
    Only13,
    /// Shows no certificate.
    Nobody,
    /// Shows the one that is to be refused.
    Refused,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one is of no use.
    pub fn read(files: &TlsFiles) -> Result<Self, BadTls> {
        let mut authorities = RootCertStore::empty();
        for certificate in certificates(&files.authorities)? {
            authorities.add(certificate)?;
        }
        let name = files.server_name.clone();
        let tls = Self {
            authorities: Arc::new(authorities),
            server_name: ServerName::try_from(name.clone())
                .map_err(|source| BadTls::Name { name, source })?,
            client: files.client.as_ref().map(Certificate::read).transpose()?,
            refused: files.refused.as_ref().map(Certificate::read).transpose()?,
            rotate: files.rotate.clone(),
        };
        // A key of another certificate is the caller's mistake, not a failed case.
        tls.connector(Manner::Usual)?;
        tls.connector(Manner::Refused)?;
        Ok(tls)
    }

    /// Whether the endpoint is expected to ask for a certificate.
    pub(crate) fn is_mutual(&self) -> bool {
        self.client.is_some()
    }

    /// Whether there is a certificate that has to be refused.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Shakes hands on a connection.
    pub(crate) async fn connect(
        &self,
        manner: Manner,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = self.connector(manner).map_err(io::Error::other)?;
        connector.connect(self.server_name.clone(), stream).await
    }

    fn connector(&self, manner: Manner) -> Result<TlsConnector, rustls::Error> {
        let versions: &[&SupportedProtocolVersion] = match manner {
            Manner::Only12 => &[&TLS12],
            Manner::Only13 => &[&TLS13],
            Manner::Usual | Manner::Nobody | Manner::Refused => &[&TLS13, &TLS12],
        };
        let shows = match manner {
            Manner::Nobody => None,
            Manner::Refused => self.refused.as_ref(),
            Manner::Usual | Manner::Only12 | Manner::Only13 => self.client.as_ref(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)?
            .with_root_certificates(self.authorities.clone());
        let mut config = match shows {
            Some(shown) => config.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key())?,
            None => config.with_no_client_auth(),
        };
        // A resumed session shows no certificate, and every case has to see one.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

impl Certificate {
    fn read(files: &CertificateFiles) -> Result<Arc<Self>, BadTls> {
        let chain = certificates(&files.chain)?;
        let key = PrivateKeyDer::from_pem_file(&files.key);
        let unreadable = |source| BadTls::Unreadable { path: files.key.clone(), source };
        Ok(Arc::new(Self { chain, key: key.map_err(unreadable)? }))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let unreadable = |source| BadTls::Unreadable { path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() {
        return Err(BadTls::Empty { path: path.to_owned() });
    }
    Ok(found)
}
