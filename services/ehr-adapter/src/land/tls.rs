//! TLS of a sender's connections: 1.2 and 1.3, mutual, from three PEM files.
//!
//! Consumes the bytes of a certificate chain, its key and the authorities of clients; gives what shakes hands with
//! accepted connections. Sessions are not resumed: a client's certificate is looked at each time it connects.

use super::watch::Refused;
use crate::sender::{Mistake, Problem, TlsFiles};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How long shaking hands may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The files' bytes.
#[derive(Clone)]
pub(crate) struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Vec<u8>,
    line: u64,
}

/// What shakes hands with those who connect.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Material {
    /// Reads the files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, Mistake> {
        let [certificate, key, client_authorities] = files.paths();
        let read = |field: &str, path: &std::path::Path| {
            let wrong = |error: io::Error| mistake(files.line, field, Problem::Unreadable(error.kind()));
            std::fs::read(path).map_err(wrong)
        };
        Ok(Self {
            certificate: read("certificate", certificate)?,
            key: read("key", key)?,
            client_authorities: read("client_authorities", client_authorities)?,
            line: files.line,
        })
    }

    /// All of it, to see whether it has changed.
    pub(crate) fn bytes(&self) -> [&[u8]; 3] {
        [&self.certificate, &self.key, &self.client_authorities]
    }
}

impl Tls {
    /// Makes one, or says which file cannot be used.
    pub(crate) fn of(material: &Material) -> Result<Self, Mistake> {
        let wrong = |field: &str, problem| mistake(material.line, field, problem);
        let certificates = |field: &str, pem: &[u8]| {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            found.ok().filter(|found| !found.is_empty()).ok_or_else(|| wrong(field, Problem::NoCertificate))
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates("certificate", &material.certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(&material.key).map_err(|_| wrong("key", Problem::NoPrivateKey))?;
        let mut authorities = RootCertStore::empty();
        for certificate in certificates("client_authorities", &material.client_authorities)? {
            authorities
                .add(certificate)
                .map_err(|_| wrong("client_authorities", Problem::UnusableCertificate))?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone())
            .build()
            .map_err(|_| wrong("client_authorities", Problem::UnusableCertificate))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_client_cert_verifier(clients))
            .and_then(|builder| builder.with_single_cert(chain, key))
            .map_err(|error| match error {
                Error::InconsistentKeys(_) => wrong("key", Problem::KeyOfAnother),
                _ => wrong("certificate", Problem::UnusableCertificate),
            })?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands. Fails with the reason, or with none where the peer simply left, as probes do.
    pub(crate) async fn shake<S>(&self, stream: S) -> Result<TlsStream<S>, Option<Refused>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match timeout(HANDSHAKE, self.0.accept(stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(Some(Refused::TlsSlow)),
        }
    }
}

/// Why shaking hands failed.
fn refused(error: &io::Error) -> Option<Refused> {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>())?;
    Some(match cause {
        Error::AlertReceived(_) => Refused::TlsByPeer,
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Refused::TlsExpired,
        Error::InvalidCertificate(_) => Refused::TlsCertificate,
        Error::NoCertificatesPresented => Refused::TlsNoCertificate,
        _ => Refused::TlsOther,
    })
}

fn mistake(line: u64, field: &str, problem: Problem) -> Mistake {
    Mistake { file: None, line, field: format!("tls.{field}"), problem }
}
