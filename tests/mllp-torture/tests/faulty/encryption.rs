//! Encrypted endpoints: good ones, and those that ask for too little.

use super::endpoint::{Endpoint, Fault};
use super::{SILENCE, target, verdict};
use crate::authority::Authority;
use mllp_torture::{CertificateFiles, Outcome, Target, Tls, TlsFiles};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Shows the certificate that is in its hands now, or the first one for ever.
#[derive(Debug)]
struct Shows {
    files: CertificateFiles,
    first: Mutex<Option<Arc<CertifiedKey>>>,
    reads_again: bool,
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut first = self.first.lock().expect("not poisoned");
        if let Some(shown) = first.clone().filter(|_| !self.reads_again) {
            return Some(shown);
        }
        let chain = CertificateDer::pem_file_iter(&self.files.chain).ok()?.collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_file(&self.files.key).ok()?;
        let shown = Arc::new(CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).ok()?);
        *first = Some(shown.clone());
        Some(shown)
    }
}

struct Server<'a> {
    authority: &'a Authority,
    is_mutual: bool,
    reads_again: bool,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Server<'_> {
    fn acceptor(&self, files: CertificateFiles) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(self.versions).expect("versions");
        let config = if self.is_mutual {
            let mut roots = RootCertStore::empty();
            let authority =
                CertificateDer::from_pem_file(self.authority.certificate()).expect("a certificate");
            roots.add(authority).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            config.with_no_client_auth()
        };
        let shows = Shows { files, first: Mutex::default(), reads_again: self.reads_again };
        TlsAcceptor::from(Arc::new(config.with_cert_resolver(Arc::new(shows))))
    }

    /// The verdicts of all cases of TLS on such an endpoint.
    async fn verdicts(&self) -> Vec<(&'static str, Outcome)> {
        let shown = self.authority.signs("server");
        let next = self.authority.signs("next");
        let endpoint = Endpoint::encrypted(Fault::Flawless, Some(self.acceptor(shown.clone()))).await;
        let moves = |from: &Path, to: &Path| format!("mv '{}' '{}'", from.display(), to.display());
        let files = TlsFiles {
            authorities: self.authority.certificate(),
            server_name: "localhost".to_owned(),
            client: Some(self.authority.signs("client")),
            refused: Some(self.authority.signs_expired()),
            rotate: Some(format!("{} && {}", moves(&next.key, &shown.key), moves(&next.chain, &shown.chain))),
        };
        let tls = Tls::read(&files).expect("good files");
        let target = Target { tls: Some(tls), timeout: SILENCE, ..target(&endpoint) };
        let mut verdicts = Vec::new();
        for name in [
            "tls-1.2",
            "tls-1.3",
            "no-tls-on-an-encrypted-port",
            "a-client-without-a-certificate",
            "an-expired-client-certificate",
            "a-rotated-certificate-without-a-restart",
            "one-byte-packets",
            "a-probe-that-resets",
        ] {
            verdicts.push((name, verdict(&target, name).await));
        }
        verdicts
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

fn authority(name: &str) -> Authority {
    Authority::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-tls-{name}")))
}

#[track_caller]
fn check(verdicts: &[(&str, Outcome)], failed: &[&str]) {
    for (name, outcome) in verdicts {
        match outcome {
            Outcome::Failed { .. } => assert!(failed.contains(name), "{name}: {outcome:?}"),
            other => assert!(!failed.contains(name) && *other == Outcome::Passed, "{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_encrypted_endpoint_without_a_fault_passes() {
    let authority = authority("good");
    let server = Server { authority: &authority, is_mutual: true, reads_again: true, versions: BOTH };
    check(&server.verdicts().await, &[]);
}

#[tokio::test]
async fn an_endpoint_that_asks_for_no_certificate_and_never_reads_its_own_again_is_found() {
    let authority = authority("lax");
    let server = Server { authority: &authority, is_mutual: false, reads_again: false, versions: BOTH };
    let failed = [
        "a-client-without-a-certificate",
        "an-expired-client-certificate",
        "a-rotated-certificate-without-a-restart",
    ];
    check(&server.verdicts().await, &failed);
}

#[tokio::test]
async fn an_endpoint_of_one_version_is_found() {
    let authority = authority("narrow");
    let server = Server { authority: &authority, is_mutual: true, reads_again: true, versions: ONLY_13 };
    check(&server.verdicts().await, &["tls-1.2"]);
}

#[test]
fn a_key_of_another_certificate_is_told_before_anything_is_sent() {
    let authority = authority("mixed");
    let (one, other) = (authority.signs("one"), authority.signs("other"));
    let files = TlsFiles {
        authorities: authority.certificate(),
        server_name: "localhost".to_owned(),
        client: Some(CertificateFiles { chain: one.chain, key: other.key }),
        ..TlsFiles::default()
    };
    let wrong = Tls::read(&files).expect_err("a key of another certificate");
    assert_eq!(wrong.to_string(), "the certificates cannot be used");
}
