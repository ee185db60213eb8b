//! Case 8: TLS, both ends with a certificate; and what probes of load balancers leave behind.

use super::reload::Folder;
use super::*;
use hl7::ack::AckCode::ApplicationAccept as AA;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use socket2::SockRef;
use std::fs;
use std::os::unix::fs::symlink;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

const REFUSED: &str = "vertebra_landing_connections_refused_total";
const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Who issues certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// A certificate that holds until the end of this year.
    fn issues(&self, year: i32) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

impl Folder {
    /// A sender named north, over TLS.
    fn of_tls(own: &Identity, clients: &Authority) -> Self {
        let folder = Self::new();
        folder.has_identity(own, clients);
        let tls = "tls: {certificate: tls/own.pem, key: tls/own.key, client_authorities: tls/clients.pem}\n";
        folder.has("north.yaml", &format!("{SENDER}{tls}"));
        folder
    }

    /// All files at once, as mounted secrets change: by a link that is moved.
    fn has_identity(&self, own: &Identity, clients: &Authority) {
        let version = uuid::Uuid::new_v4().to_string();
        fs::create_dir(self.path().join(&version)).expect("a folder");
        self.has(&format!("{version}/own.pem"), &own.certificate);
        self.has(&format!("{version}/own.key"), &own.key);
        self.has(&format!("{version}/clients.pem"), &clients.pem());
        let draft = self.path().join("tls.draft");
        symlink(version, &draft).expect("linked");
        fs::rename(draft, self.path().join("tls")).expect("renamed");
    }
}

/// Shakes hands as a client that trusts this authority and has this identity.
async fn shake(
    stand: &Stand,
    trusts: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<Peer<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.pem().as_bytes()).expect("PEM")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("an identity")
        }
    };
    let stream = TcpStream::connect(stand.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    Ok(Peer::over(timeout(PATIENCE, connecting).await.expect("in time")?))
}

/// One message over a connection that came about.
async fn exchanges(peer: &mut Peer<TlsStream<TcpStream>>, control_id: &str) {
    peer.says(&frame(control_id)).await;
    peer.stream.flush().await.expect("flushed");
    peer.is_answered(AA, control_id).await;
}

async fn counts_refused(stand: &Stand, reason: &str, count: usize) {
    stand.counts(&format!("{REFUSED}{{reason=\"{reason}\",sender=\"north\"}} {count}")).await;
}

#[tokio::test]
async fn case_08_messages_come_over_tls_1_2_and_1_3() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let folder = Folder::of_tls(&ours.issues(2999), &clients);
    let stand = Stand::following(&folder).await;
    let client = clients.issues(2999);
    for (version, id) in [(&TLS12, "1"), (&TLS13, "2")] {
        let mut peer = shake(&stand, &ours, Some(&client), &[version]).await.expect("shaken");
        exchanges(&mut peer, id).await;
        peer.stream.shutdown().await.expect("ended");
        peer.is_closed().await;
    }
    assert_eq!(stand.shelf.landed().len(), 2);
    stand.is_quiet().await;
    assert!(!stand.around.metrics.render().contains(REFUSED));
}

/// A client with this identity is not served.
async fn check_refused(version: &'static SupportedProtocolVersion, whose: &str, reason: &str) {
    let (ours, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::of_tls(&ours.issues(2999), &clients);
    let stand = Stand::following(&folder).await;
    let identity = match whose {
        "expired" => Some(clients.issues(2001)),
        "stranger" => Some(strangers.issues(2999)),
        _ => None,
    };
    // In 1.3 a client learns it only with its first read.
    if let Ok(mut peer) = shake(&stand, &ours, identity.as_ref(), &[version]).await {
        let _ = peer.stream.write_all(&frame("1")).await;
        let read = timeout(PATIENCE, peer.stream.read_u8()).await.expect("in time");
        assert!(read.is_err(), "{whose} was served");
    }
    counts_refused(&stand, reason, 1).await;
    assert_eq!(stand.shelf.landed().len(), 0);
    let mut peer = shake(&stand, &ours, Some(&clients.issues(2999)), BOTH).await.expect("shaken");
    exchanges(&mut peer, "2").await;
}

#[tokio::test]
async fn case_08_an_expired_certificate_a_strangers_and_none_are_refused() {
    for version in BOTH {
        check_refused(version, "expired", "tls_expired").await;
        check_refused(version, "stranger", "tls_certificate").await;
        check_refused(version, "nobody", "tls_no_certificate").await;
    }
}

#[tokio::test]
async fn case_08_what_is_no_tls_or_does_not_trust_us_is_refused() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let folder = Folder::of_tls(&ours.issues(2999), &clients);
    let stand = Stand::following(&folder).await;
    let mut plain = stand.peer().await;
    plain.says(&frame("1")).await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, plain.stream.read_to_end(&mut rest)).await.expect("closed in time");
    counts_refused(&stand, "tls_other", 1).await;
    assert!(shake(&stand, &clients, Some(&clients.issues(2999)), BOTH).await.is_err());
    counts_refused(&stand, "tls_by_peer", 1).await;
    assert_eq!(stand.shelf.landed().len(), 0);
}

#[tokio::test]
async fn case_08_a_rotated_certificate_holds_for_new_connections_without_a_restart() {
    let (old, new, clients) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::of_tls(&old.issues(2999), &clients);
    let stand = Stand::following(&folder).await;
    let client = clients.issues(2999);
    let mut before = shake(&stand, &old, Some(&client), BOTH).await.expect("shaken");
    exchanges(&mut before, "1").await;
    let next_clients = Authority::new();
    folder.has_identity(&new.issues(2999), &next_clients);
    let next_client = next_clients.issues(2999);
    let shaking = async {
        loop {
            if let Ok(peer) = shake(&stand, &new, Some(&next_client), BOTH).await {
                break peer;
            }
        }
    };
    let mut after = timeout(PATIENCE, shaking).await.expect("rotated in time");
    exchanges(&mut after, "2").await;
    exchanges(&mut before, "3").await;
    // Sessions of before are not resumed, and their authority is trusted no more.
    if let Ok(mut peer) = shake(&stand, &new, Some(&client), BOTH).await {
        assert!(timeout(PATIENCE, peer.stream.read_u8()).await.expect("in time").is_err());
    }
    counts_refused(&stand, "tls_certificate", 1).await;
    assert_eq!(listens(&stand.around, "north"), [stand.address], "the listener is the same");
}

#[tokio::test]
async fn case_08_files_that_cannot_be_used_keep_what_holds_and_are_told_with_the_line() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let (ours, clients) = (Authority::new(), Authority::new());
    let (own, other) = (ours.issues(2999), ours.issues(2999));
    let folder = Folder::of_tls(&own, &clients);
    let stand = Stand::following(&folder).await;
    for (file, text, says) in [
        ("tls/own.key", &other.key, "tls.key: does not belong to the certificate"),
        ("tls/own.key", &own.certificate, "tls.key: holds no private key"),
        ("tls/own.pem", &own.key, "tls.certificate: holds no certificate"),
        ("tls/clients.pem", &String::new(), "tls.client_authorities: holds no certificate"),
    ] {
        folder.has(file, text);
        until(says, || logs.text().contains(&format!("north.yaml:7: {says}"))).await;
        stand.has_rejected("north", true).await;
        let mut peer = shake(&stand, &ours, Some(&clients.issues(2999)), BOTH).await.expect("shaken");
        exchanges(&mut peer, "1").await;
        folder.has_identity(&own, &clients);
        stand.has_rejected("north", false).await;
    }
    fs::remove_file(folder.path().join("tls/own.key")).expect("removed");
    until("the missing key", || {
        logs.text().contains("north.yaml:7: tls.key: cannot be opened: entity not found")
    })
    .await;
    assert!(!logs.text().contains("BEGIN"), "no key is told");
}

#[tokio::test]
async fn case_06_a_probe_of_a_tls_listener_makes_no_noise() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let (ours, clients) = (Authority::new(), Authority::new());
    let folder = Folder::of_tls(&ours.issues(2999), &clients);
    let stand = Stand::following(&folder).await;
    for reset in [false, true] {
        let peer = stand.peer().await;
        if reset {
            SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).expect("linger");
        }
        drop(peer);
    }
    // One that shakes hands, and then leaves without a word.
    drop(shake(&stand, &ours, Some(&clients.issues(2999)), BOTH).await.expect("shaken"));
    let mut peer = shake(&stand, &ours, Some(&clients.issues(2999)), BOTH).await.expect("shaken");
    exchanges(&mut peer, "1").await;
    drop(peer);
    stand.is_quiet().await;
    assert!(!stand.around.metrics.render().contains(REFUSED));
    // One that has no certificate to shake hands with is counted, and nobody is told.
    drop(shake(&stand, &ours, None, BOTH).await);
    counts_refused(&stand, "tls_no_certificate", 1).await;
    assert_eq!(logs.warnings(), 0, "{}", logs.text());
    assert!(!stand.around.metrics.render().contains("stream_faults_total"));
}
