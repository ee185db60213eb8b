//! Every case against `ehr-adapter land` on a real Kafka: MLLP of both releases, in the clear and encrypted.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the programs `ehr-adapter` and `vertebra`.

mod authority;

use authority::Authority;
use harness::{Fleet, Launch, Process, Role, SenderFile, Stack};
use mllp_torture::{Mllp, Outcome, Slow, Target, Tls, TlsFiles, all, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);
/// Over `frame_max` of the listeners.
const OVERSIZE_BYTES: usize = 6 << 20;
/// Over `frame_timeout` and `idle_timeout` of the listeners.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than our own `ack_deadline`, so that what comes then is heard.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The variations that are ours: none but what a listener was told to do.
const IN_ORIGINAL_MODE: &str = "it answers AA, in original mode, whatever MSH-15 says";

/// What a listener is told beside what every sender's file says.
struct Told {
    name: &'static str,
    lines: String,
    tolerated: &'static [&'static str],
    /// Cases that cannot be run against it.
    skipped: &'static [&'static [&'static str]],
}

/// `ehr-adapter land` with these listeners.
async fn start(stack: &Stack, folder: &Path, told: &[&Told]) -> (Process, Vec<String>) {
    let file = |told: &&Told| {
        let mut file = SenderFile::small(told.name, Launch::free_port());
        file.yaml += "frame_max: 4MiB\nframe_timeout: 5s\nidle_timeout: 10s\n";
        file.yaml += &told.lines;
        file
    };
    let files: Vec<SenderFile> = told.iter().map(file).collect();
    let fleet = Fleet::new(stack, folder, files.clone()).expect("its files");
    fleet.apply_contract().unwrap_or_else(|error| panic!("{error}"));
    let mut process = fleet.start(Role::Land).unwrap_or_else(|error| panic!("{error}"));
    process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    (process, files.iter().map(|file| format!("127.0.0.1:{}", file.port)).collect())
}

/// Runs every case and holds what came of it against what is known of the listener.
async fn check(told: &Told, target: Target) -> Vec<String> {
    let report = run(&target, &all(), |_| {}).await;
    let is_skipped = |name: &str| told.skipped.iter().any(|names| names.contains(&name));
    let wrong = report.findings.iter().filter(|finding| match &finding.outcome {
        Outcome::Passed => is_skipped(finding.name),
        Outcome::Tolerated { what } => !told.tolerated.contains(&what.as_str()),
        Outcome::Skipped { .. } => !is_skipped(finding.name),
        Outcome::Failed { .. } => true,
    });
    wrong.map(|finding| format!("{}: {finding}", told.name)).collect()
}

fn target(address: &str) -> Target {
    Target {
        timeout: TIMEOUT,
        slow: Slow::Within(PATIENCE),
        oversize_bytes: OVERSIZE_BYTES,
        ..Target::new(address)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{}", std::process::id()))
}

const TLS_CASES: &[&str] = &[
    "tls-1.2",
    "tls-1.3",
    "no-tls-on-an-encrypted-port",
    "a-client-without-a-certificate",
    "an-expired-client-certificate",
    "a-rotated-certificate-without-a-restart",
];
const V2_CASES: &[&str] = &["a-commit-byte-before-the-ack", "an-ack-that-is-not-committed"];

#[tokio::test(flavor = "multi_thread")]
async fn our_own_endpoint_passes_every_case() {
    let Some(stack) = Stack::from_env() else { return };
    let folder = folder();
    let authority = Authority::new(&folder.join("tls"));
    let (shown, next) = (authority.signs("server"), authority.signs("next"));
    let plain =
        Told { name: "torture", lines: String::new(), tolerated: &[], skipped: &[TLS_CASES, V2_CASES] };
    let original = Told {
        name: "torture-original",
        lines: "acknowledge: original\n".to_owned(),
        tolerated: &[IN_ORIGINAL_MODE],
        skipped: &[TLS_CASES, V2_CASES],
    };
    let second =
        Told { name: "torture-v2", lines: "mllp: v2\n".to_owned(), tolerated: &[], skipped: &[TLS_CASES] };
    let encrypted = Told {
        name: "torture-tls",
        lines: format!(
            "tls:\n  certificate: {}\n  key: {}\n  client_authorities: {}\n",
            shown.chain.display(),
            shown.key.display(),
            authority.certificate().display()
        ),
        tolerated: &[],
        skipped: &[V2_CASES],
    };
    let listeners = [&plain, &original, &second, &encrypted];
    let (mut process, addresses) = start(&stack, &folder, &listeners).await;
    let moves = |from: &Path, to: &Path| format!("mv '{}' '{}'", from.display(), to.display());
    let tls = Tls::read(&TlsFiles {
        authorities: authority.certificate(),
        server_name: "localhost".to_owned(),
        client: Some(authority.signs("client")),
        refused: Some(authority.signs_expired()),
        rotate: Some(format!("{} && {}", moves(&next.key, &shown.key), moves(&next.chain, &shown.chain))),
    });
    let tls = tls.expect("good files");
    let [a, b, c, d] = &addresses[..] else { panic!("four listeners") };
    let wrong = tokio::join!(
        check(&plain, target(a)),
        check(&original, target(b)),
        check(&second, Target { mllp: Mllp::V2, ..target(c) }),
        check(&encrypted, Target { tls: Some(tls), ..target(d) }),
    );
    let wrong = [wrong.0, wrong.1, wrong.2, wrong.3].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let ended = process.stop(READY).await;
    assert!(ended.is_some_and(|status| status.success()), "it did not drain: {ended:?}");
    fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}
