//! `demo`: plays a whole hospital's day to running services and shows what became of it.
//!
//! Consumes the addresses of stack and services; seeds Odoo, sends HL7 over MLLP as three senders, maps the codes that
//! nobody had mapped, has a mapping that was wrong for the clinic found and put right, pays invoices in Odoo; prints one
//! page, and keeps what was sent and what it has to come to as JSON lines. Ends with 1 when the books do not balance.
//! `scripts/demo` starts everything and then this.

mod incident;
mod page;

use canon::{Code, Event};
use clap::Parser;
use harness::{
    Amiss, Behind, Books, Codes, DayFigures, Evidence, OdooAt, Paid, Played, Stack, amiss, canaries, pay,
};
use hospital::send::{Report, Sending};
use hospital::{Config, LATER, Sender};
use incident::{Incident, taken_up};
use page::Page;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long it may take until everything agrees.
const BALANCED: Duration = Duration::from_secs(300);
/// What differs for so long and does not change is not on its way any more.
const STUCK: Duration = Duration::from_secs(60);

/// Plays a hospital's day to running services and shows what became of it
#[derive(Debug, Parser)]
struct Arguments {
    /// Where ehr-adapter listens for the hospital
    #[arg(long)]
    north: SocketAddr,
    /// Where it listens for the laboratory
    #[arg(long)]
    lab: SocketAddr,
    /// Where it listens for the clinic
    #[arg(long)]
    clinic: SocketAddr,
    /// Which day: the same number makes the same messages
    #[arg(long, default_value_t = 1)]
    day: u64,
    /// How many patients the day has
    #[arg(long, default_value_t = 120)]
    patients: usize,
    /// Messages a second; 0 is as fast as they are answered
    #[arg(long, default_value_t = 0)]
    rate: u32,
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
    /// The services' secret of the tokens
    #[arg(long)]
    token_secret_file: PathBuf,
    /// Folder of the code tables that are imported
    #[arg(long)]
    codes: PathBuf,
    /// Folder of the senders' files
    #[arg(long)]
    senders: PathBuf,
    /// The operator's command
    #[arg(long)]
    vertebra: PathBuf,
    /// Folder of the services' logs
    #[arg(long)]
    logs: PathBuf,
    /// Folder for what was sent, and what it has to come to, as JSON lines
    #[arg(long)]
    records: PathBuf,
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
    let stack = stack(arguments);
    let begun = Instant::now();
    let seeded = stack.seed_odoo().await?;
    let new = seeded.created;
    say(&format!("  partners and products in Odoo: {new} new ({})", seconds(begun.elapsed())));
    let books = Books::open(&stack).await?;
    let secret = fs::read(&arguments.token_secret_file)?;
    let mut played = Played::new(&Config::new(arguments.day, arguments.patients), secret.trim_ascii());
    let mapped = arguments.codes.join(LATER.file);
    let before = books.read().await?;
    let was = DayFigures::of(&played, &before, Codes::Later);
    let incident = Incident::new(arguments, &books);
    if was.invoices == 0 {
        incident.begins().await?;
    }
    let report = send(arguments, &mut played).await?;
    settled(&books).await?;
    let waited = books.read().await?.parked.len();
    if !mapped.exists() {
        say(&format!(
            "  {waited} inputs wait for a person; now somebody maps the codes that nobody had mapped"
        ));
        taken_up(&books, Code::TOPIC, &mapped, LATER.csv).await?;
        settled(&books).await?;
    }
    let codes = Codes::Later;
    let corrected = incident.ends(&played).await?;
    let (mut after, mut found) = balanced(&books, &played, codes).await?;
    let mut paid = Paid::default();
    if found.is_empty() {
        paid = pay(&stack, &after, &played.visits()).await?;
        say(&format!("  a cashier registered {} payments in Odoo", paid.payments));
        (after, found) = balanced(&books, &played, codes).await?;
    }
    let mut wrong: Vec<String> = found.iter().map(Amiss::to_string).collect();
    wrong.extend(report.unacknowledged.iter().map(ToString::to_string));
    let canaries = sightings(arguments, &books).await?;
    wrong.extend(canaries.iter().map(|sighting| format!("planted patient data in {sighting}")));
    let page = Page {
        arguments,
        played: &played,
        report: &report,
        figures: &DayFigures::of(&played, &after, codes),
        before: &was,
        corrected,
        topics: [counts(&before), counts(&after)],
        parked: &after.parked,
        waited,
        paid,
        wrong: &wrong,
    };
    io::stdout().write_all(page.to_string().as_bytes())?;
    Ok(wrong.is_empty())
}

fn stack(arguments: &Arguments) -> Stack {
    Stack {
        kafka: arguments.kafka.clone(),
        registry_url: arguments.registry_url.clone(),
        postgres_url: arguments.postgres_url.clone(),
        odoo: OdooAt {
            url: arguments.odoo_url.clone(),
            database: arguments.odoo_database.clone(),
            key_file: arguments.odoo_key_file.clone(),
        },
    }
}

/// Sends the day; what was sent, and what it has to come to, is kept.
async fn send(arguments: &Arguments, played: &mut Played) -> Result<Report, Box<dyn Error>> {
    fs::create_dir_all(&arguments.records)?;
    let file =
        |what: &str| fs::File::create(arguments.records.join(format!("day-{}-{what}.jsonl", arguments.day)));
    played.plan.truth.write(io::BufWriter::new(file("truth")?))?;
    let mut sent = io::BufWriter::new(file("sent")?);
    let endpoints = BTreeMap::from([
        (Sender::North, arguments.north),
        (Sender::Lab, arguments.lab),
        (Sender::Clinic, arguments.clinic),
    ]);
    let how = Sending {
        connections: 4,
        rate: arguments.rate,
        lost_acks: hospital::Share::of_hundred(2),
        ..Sending::new(endpoints)
    };
    let (begun, all) = (Instant::now(), how.count(&played.plan));
    let (mut told, mut count, mut failed) = (Duration::ZERO, 0_usize, None);
    let report = played
        .send(&how, |one| {
            count += 1;
            let line = serde_json::to_string(one).map_err(io::Error::from);
            if let Err(error) = line.and_then(|line| writeln!(sent, "{line}")) {
                failed.get_or_insert(error);
            }
            if due(begun, &mut told) {
                show(&format!("  {}: {count} of about {all} messages", seconds(begun.elapsed())));
            }
        })
        .await;
    sent.flush()?;
    wipe_line();
    if let Some(error) = failed {
        return Err(error.into());
    }
    for given_up in &report.unacknowledged {
        say(&format!("  not acknowledged: {given_up}"));
    }
    say(&format!("  {count} messages from three senders: {}", seconds(begun.elapsed())));
    Ok(report)
}

/// Waits until nothing is on its way.
async fn settled(books: &Books) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let settled = books.settle(BALANCED, progress(begun)).await?;
    wipe_line();
    if let Err(unsettled) = settled {
        say(&format!("  {unsettled}"));
    }
    say(&format!("  all of it has come to its end: {}", seconds(begun.elapsed())));
    Ok(())
}

/// Waits until nothing is on its way and everything agrees; what still differs at the deadline.
async fn balanced(
    books: &Books,
    played: &Played,
    codes: Codes,
) -> Result<(Evidence, Vec<Amiss>), Box<dyn Error>> {
    let begun = Instant::now();
    let (mut last, mut since) = (Vec::new(), Instant::now());
    loop {
        let settled = books.settle(BALANCED, progress(begun)).await?;
        let evidence = books.read().await?;
        let found = amiss(played, &evidence, codes);
        if found != last {
            (last, since) = (found.clone(), Instant::now());
        }
        if found.is_empty() || begun.elapsed() > BALANCED || since.elapsed() > STUCK {
            wipe_line();
            if let Err(unsettled) = settled {
                say(&format!("  {unsettled}"));
            }
            let how = if found.is_empty() { "everything agrees" } else { "not everything agrees" };
            say(&format!("  {how}: {}", seconds(begun.elapsed())));
            return Ok((evidence, found));
        }
        // What comes back from Odoo is seen when the poller has looked again.
        if let Some(first) = found.first() {
            let count = found.len();
            show(&format!(
                "  {}: {count} things do not agree yet, the first: {first}",
                seconds(begun.elapsed())
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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

/// Records by topic, in the order of their way.
fn counts(evidence: &Evidence) -> Vec<(&'static str, usize)> {
    vec![
        ("raw.hl7v2.v1", evidence.raw.len()),
        ("clinical.encounter.v1", evidence.encounters.stated.len()),
        ("clinical.appointment.v1", evidence.appointments.stated.len()),
        ("clinical.order.v1", evidence.orders.stated.len()),
        ("clinical.result.v1", evidence.results.stated.len()),
        ("supply.consumption.v1", evidence.consumptions.stated.len()),
        ("billing.charge.v1", evidence.charges.stated.len()),
        ("billing.invoice-request.v1", evidence.requests.stated.len()),
        ("billing.invoice.v1", evidence.entered.stated.len()),
        ("billing.payment.v1", evidence.paid.stated.len()),
        ("ops.dead-letter.v1", evidence.dead_letters),
    ]
}

fn progress(begun: Instant) -> impl FnMut(&BTreeMap<&'static str, Behind>) {
    let mut told = Duration::ZERO;
    move |behind| {
        if !due(begun, &mut told) {
            return;
        }
        let waiting = |(service, behind): (&&str, &Behind)| match behind.records + behind.outbox {
            0 => format!("{service} done"),
            left => format!("{service} {left} to go"),
        };
        let line: Vec<String> = behind.iter().map(waiting).collect();
        show(&format!("  {}: {}", seconds(begun.elapsed()), line.join(", ")));
    }
}

/// Whether a line of progress is due: on a terminal one that changes, elsewhere one now and then.
fn due(begun: Instant, told: &mut Duration) -> bool {
    let every = if io::stderr().is_terminal() { Duration::from_millis(100) } else { Duration::from_secs(5) };
    let is_due = begun.elapsed() >= *told + every;
    if is_due {
        *told = begun.elapsed();
    }
    is_due
}

fn show(line: &str) {
    let (from, to) = if io::stderr().is_terminal() { ("\r\x1b[K", "") } else { ("", "\n") };
    let _ = write!(io::stderr(), "{from}{line}{to}");
}

fn wipe_line() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whoever watches the file never sees half of it.
fn replace(file: &std::path::Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, file)
}

pub(crate) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}
