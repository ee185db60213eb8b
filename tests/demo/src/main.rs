//! `demo`: plays a hospital's day to running services and shows what became of it.
//!
//! Consumes the addresses of stack and services; sends HL7 over MLLP, seeds Odoo; prints one page. Ends with 1 when the
//! books do not balance. `scripts/demo` starts everything and then this.

mod page;

use clap::Parser;
use harness::{
    Behind, Books, Evidence, Figures, Hospital, OdooAt, Plan, Sender, Stack, canaries, check, send_all,
};
use page::Page;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Connections of the sender.
const CONNECTIONS: usize = 4;
const SETTLED: Duration = Duration::from_secs(300);

/// Plays a hospital's day to running services and shows what became of it
#[derive(Debug, Parser)]
struct Arguments {
    /// Where ehr-adapter listens
    #[arg(long)]
    mllp: SocketAddr,
    /// Which day: the same number makes the same messages
    #[arg(long, default_value_t = 1)]
    day: u64,
    /// How many visits the day has
    #[arg(long, default_value_t = 48)]
    visits: usize,
    /// Brokers
    #[arg(long)]
    kafka: String,
    /// Registry
    #[arg(long)]
    registry_url: String,
    /// Database of the ledgers; by the variable, since it holds a password
    #[arg(long, env = "VERTEBRA_POSTGRES_URL", hide_env_values = true)]
    postgres_url: String,
    /// Odoo's address
    #[arg(long)]
    odoo_url: String,
    /// Odoo's database
    #[arg(long)]
    odoo_database: String,
    /// File of an API key
    #[arg(long)]
    odoo_key_file: PathBuf,
    /// What a person is told about Odoo
    #[arg(long)]
    odoo_page: String,
    /// Folder of the services' logs
    #[arg(long)]
    logs: PathBuf,
    /// A service's pages, such as billing=http://127.0.0.1:21023
    #[arg(long)]
    metrics: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            say(&text);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let stack = Stack {
        kafka: arguments.kafka.clone(),
        registry_url: arguments.registry_url.clone(),
        postgres_url: arguments.postgres_url.clone(),
        odoo: OdooAt {
            url: arguments.odoo_url.clone(),
            database: arguments.odoo_database.clone(),
            key_file: arguments.odoo_key_file.clone(),
        },
    };
    let hospital = Hospital::day(Plan {
        seed: arguments.day,
        visits: arguments.visits,
        charges: (2, 12),
        finished_of_ten: 9,
        twice_of_hundred: 10,
        sender: "demo".to_owned(),
    });
    let begun = Instant::now();
    let seeded = stack.seed_odoo().await?;
    let adopted = match seeded.adopted {
        0 => String::new(),
        adopted => format!(", {adopted} adopted"),
    };
    say(&format!(
        "  partners and products in Odoo: {} new{adopted} ({})",
        seeded.created,
        seconds(begun.elapsed())
    ));
    let books = Books::open(&stack).await?;
    let before = books.read().await?;

    let begun = Instant::now();
    let (history, errors) = send_all(hospital.streams(CONNECTIONS), || Sender::new(arguments.mllp)).await;
    for error in &errors {
        say(&format!("  not acknowledged: {error}"));
    }
    let count = history.transmissions();
    say(&format!("  {count} messages over {CONNECTIONS} connections: {}", seconds(begun.elapsed())));
    let begun = Instant::now();
    let settled = books.settle(SETTLED, progress(begun)).await?;
    wipe_line();
    say(&format!("  until nothing was on its way any more: {}", seconds(begun.elapsed())));

    let after = books.read().await?;
    let mut wrong: Vec<String> = check(&hospital, &history, &after).iter().map(ToString::to_string).collect();
    wrong.extend(settled.err().map(|unsettled| unsettled.to_string()));
    wrong.extend(errors.iter().map(ToString::to_string));
    let canaries = sightings(arguments, &books).await?;
    wrong.extend(canaries.iter().map(|sighting| format!("planted patient data in {sighting}")));
    let page = Page {
        arguments,
        hospital: &hospital,
        history: &history,
        figures: &Figures::of(&hospital, &history, &after),
        before: &Figures::of(&hospital, &history, &before),
        topics: [counts(&before), counts(&after)],
        parked: &after.parked,
        wrong: &wrong,
    };
    io::stdout().write_all(page.to_string().as_bytes())?;
    Ok(wrong.is_empty())
}

async fn sightings(arguments: &Arguments, books: &Books) -> Result<Vec<canaries::Sighting>, Box<dyn Error>> {
    let mut found = books.canaries().await?;
    found.extend(canaries::in_logs(&arguments.logs)?);
    for (name, url) in arguments.metrics.iter().filter_map(|named| named.split_once('=')) {
        let text = harness::page(&format!("{url}/metrics")).await.unwrap_or_default();
        found.extend(canaries::in_bytes(&format!("{name}'s metrics"), text.as_bytes()));
    }
    Ok(found)
}

/// Records by topic.
fn counts(evidence: &Evidence) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("raw.hl7v2.v1", evidence.raw.len()),
        ("clinical.encounter.v1", evidence.encounters.stated.len()),
        ("billing.charge.v1", evidence.charges.stated.len()),
        ("billing.case.v1", evidence.cases.stated.len()),
        ("billing.invoice-request.v1", evidence.requests.stated.len()),
        ("ops.dead-letter.v1", evidence.dead_letters),
    ])
}

/// One line that changes, on a terminal; elsewhere a line now and then.
fn progress(begun: Instant) -> impl FnMut(&BTreeMap<&'static str, Behind>) {
    let mut told = Duration::ZERO;
    let is_terminal = io::stderr().is_terminal();
    move |behind| {
        let every = if is_terminal { Duration::ZERO } else { Duration::from_secs(5) };
        if begun.elapsed() < told + every {
            return;
        }
        told = begun.elapsed();
        let waiting = |(service, behind): (&&str, &Behind)| match behind.records + behind.outbox {
            0 => format!("{service} done"),
            left => format!("{service} {left} to go"),
        };
        let line: Vec<String> = behind.iter().map(waiting).collect();
        let (from, to) = if is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let _ = write!(io::stderr(), "{from}  {}: {}{to}", seconds(begun.elapsed()), line.join(", "));
    }
}

fn wipe_line() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

pub(crate) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}
