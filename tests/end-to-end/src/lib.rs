//! What the days on the real stack have in common. The tests are beside it, each in a program of its own, since the
//! services' ledgers are the stack's and not a test's.

mod operator;

pub use operator::Operator;

use harness::{Amiss, Books, Codes, Evidence, Fleet, Played, Process, Role, amiss};
use hospital::send::Sending;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const READY: Duration = Duration::from_secs(60);
const SETTLED: Duration = Duration::from_secs(120);
const BALANCED: Duration = Duration::from_secs(90);
const DRAINED: Duration = Duration::from_secs(20);

/// A number that no run before had, told so that a day can be made again.
#[expect(clippy::print_stdout, reason = "a test tells what it was made of")]
pub fn seed() -> u64 {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    println!("seed {seed}");
    seed
}

/// Where a test's logs and files lie.
pub fn folder(name: &str, seed: u64) -> PathBuf {
    // The test's own program lies in target/<profile>/deps.
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(3).unwrap_or(Path::new(".")).join("tmp").join(format!("{name}-{seed}"))
}

/// Starts every service and waits until all are ready.
///
/// # Panics
/// When one is not.
pub async fn start(fleet: &Fleet) -> Vec<Process> {
    let mut processes: Vec<Process> =
        Role::ALL.iter().map(|role| fleet.start(*role).unwrap_or_else(|error| panic!("{error}"))).collect();
    for process in &mut processes {
        process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    }
    processes
}

/// How a day is sent to them: with answers that are lost now and then.
pub fn sending(fleet: &Fleet) -> Sending {
    let endpoints = hospital::Sender::ALL.into_iter().map(|sender| (sender, fleet.mllp(sender.name())));
    Sending { lost_acks: hospital::Share::of_hundred(2), ..Sending::new(endpoints.collect()) }
}

/// Waits until nothing is on its way.
///
/// # Panics
/// When something still is when the time is over, or something cannot be read.
pub async fn settled(books: &Books) {
    let settled = books.settle(SETTLED, |_| {}).await.unwrap_or_else(|error| panic!("{error}"));
    settled.unwrap_or_else(|unsettled| panic!("{unsettled}"));
}

/// Waits until nothing is on its way and every day's truth agrees.
///
/// # Panics
/// When it does not in time; with everything that differs.
pub async fn balanced(books: &Books, days: &[&Played], codes: Codes) -> Evidence {
    let begun = Instant::now();
    loop {
        settled(books).await;
        let evidence = books.read().await.unwrap_or_else(|error| panic!("{error}"));
        let found: Vec<Amiss> = days.iter().flat_map(|day| amiss(day, &evidence, codes)).collect();
        if found.is_empty() {
            return evidence;
        }
        if begun.elapsed() > BALANCED {
            let told: Vec<String> = found.iter().map(Amiss::to_string).collect();
            panic!("the books do not balance, {} differences:\n{}", told.len(), told.join("\n"));
        }
        // What comes back from Odoo is seen when the poller has looked again.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks every service to drain.
///
/// # Panics
/// When one does not, or ends with a failure.
pub async fn drained(processes: &mut [Process]) {
    for process in processes {
        let ended = process.stop(DRAINED).await;
        assert!(ended.is_some_and(|status| status.success()), "{} did not drain: {ended:?}", process.name());
    }
}
