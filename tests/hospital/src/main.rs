//! `hospital`: makes a day of an invented hospital up, and sends it, writes it down or tells what it comes to.
//!
//! Consumes a seed and addresses; sends HL7 over MLLP; writes the truth and the log of what was sent as JSON lines.

use clap::{Args, Parser, Subcommand};
use hospital::send::{End, Report, Sending, Told, send};
use hospital::{Config, Day, LATER, Plan, Sender, Share, Silence, TABLES};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A seeded day of an invented hospital, its laboratory and a clinic, over HL7
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send the day over MLLP
    Send(Send),
    /// Print what the day has and what it comes to
    Plan(DayArguments),
    /// Write the day's messages, its truth, the senders' files and the tables of codes into a folder
    Write {
        /// The folder; made if it is not there
        folder: PathBuf,
        #[command(flatten)]
        day: DayArguments,
    },
}

#[derive(Debug, Args)]
struct DayArguments {
    /// How many patients come
    #[arg(long, default_value_t = 200)]
    patients: usize,
    /// Which day: the same number makes the same messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The date that is played
    #[arg(long, default_value = "2025-03-10")]
    day: jiff::civil::Date,
    /// How many messages are bad
    #[arg(long, default_value = "1%")]
    bad: Share,
    /// How many messages are sent twice though they were acknowledged
    #[arg(long, default_value = "3%")]
    twice: Share,
    /// How many of the hospital's charges name no amount
    #[arg(long, default_value = "0%")]
    unpriced: Share,
    /// Who says nothing between which hours (UTC), such as lab=11-13; none: everybody talks
    #[arg(long, default_value = "lab=11-13")]
    silence: String,
    /// Where the truth is written, as JSON lines
    #[arg(long)]
    truth: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Send {
    #[command(flatten)]
    day: DayArguments,
    /// Where a sender connects to, such as north=127.0.0.1:2575; once for each
    #[arg(long = "endpoint", required = true, value_parser = endpoint)]
    endpoints: Vec<(Sender, SocketAddr)>,
    /// Messages a second, all senders together; 0: as fast as they are answered
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Connections of each sender
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Messages of a connection that may be unanswered
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// How many acknowledgements are lost on purpose
    #[arg(long, default_value = "0%")]
    lost_acks: Share,
    /// Seconds that an answer is waited for
    #[arg(long, default_value_t = 30)]
    ack_timeout: u64,
    /// Seconds that one message is tried for
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Where every transmission is written, as JSON lines
    #[arg(long)]
    sent: Option<PathBuf>,
    /// Show how far it is
    #[arg(long)]
    progress: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<bool> {
    match command {
        Command::Plan(day) => print(&plan(&day)?).map(|()| true),
        Command::Write { folder, day } => write(&plan(&day)?, &folder).map(|()| true),
        Command::Send(arguments) => {
            let plan = Arc::new(plan(&arguments.day)?);
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?
                .block_on(play(&plan, &arguments))
        }
    }
}

fn plan(arguments: &DayArguments) -> io::Result<Plan> {
    let silence = match arguments.silence.as_str() {
        "none" => None,
        text => {
            Some(text.parse::<Silence>().map_err(|error| io::Error::other(format!("--silence: {error}")))?)
        }
    };
    let plan = Day::plan(&Config {
        day: arguments.day,
        bad: arguments.bad,
        twice: arguments.twice,
        unpriced: arguments.unpriced,
        silence,
        ..Config::new(arguments.seed, arguments.patients)
    });
    if let Some(path) = &arguments.truth {
        plan.truth.write(BufWriter::new(File::create(path)?))?;
    }
    Ok(plan)
}

async fn play(plan: &Arc<Plan>, arguments: &Send) -> io::Result<bool> {
    let how = Sending {
        rate: arguments.rate,
        connections: arguments.connections,
        pipeline: arguments.pipeline,
        lost_acks: arguments.lost_acks,
        ack_timeout: Duration::from_secs(arguments.ack_timeout),
        patience: Duration::from_secs(arguments.patience),
        ..Sending::new(arguments.endpoints.iter().copied().collect())
    };
    let mut log = arguments.sent.as_ref().map(File::create).transpose()?.map(BufWriter::new);
    let mut failed = None;
    let mut progress = arguments.progress.then(|| Progress::new(how.count(plan)));
    let report = send(plan, &how, |told| {
        if let Some(log) = &mut log {
            failed = failed.take().or_else(|| line(log, told).err());
        }
        if let Some(progress) = &mut progress {
            progress.hears(told);
        }
    })
    .await;
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(progress) = &progress {
        progress.ends();
    }
    say(&report)?;
    Ok(report.unacknowledged.is_empty())
}

fn line(log: &mut impl Write, told: &Told) -> io::Result<()> {
    serde_json::to_writer(&mut *log, told)?;
    log.write_all(b"\n")?;
    // A crash of what is tested may well end this too: what was told before has to be there.
    log.flush()
}

fn say(report: &Report) -> io::Result<()> {
    let Report { transmissions, acknowledged, refused, lost, repeated, unacknowledged } = report;
    let mut out = io::stdout();
    writeln!(
        out,
        "{transmissions} transmissions: {acknowledged} messages acknowledged, {refused} refused; \
         {lost} acknowledgements lost on purpose, {repeated} transmissions made again"
    )?;
    unacknowledged.iter().try_for_each(|given_up| writeln!(out, "given up: {given_up}"))
}

/// One line that changes, on a terminal; elsewhere a line now and then.
struct Progress {
    begun: Instant,
    told: Instant,
    is_terminal: bool,
    of: usize,
    answered: usize,
    again: usize,
}

impl Progress {
    fn new(of: usize) -> Self {
        let now = Instant::now();
        Self { begun: now, told: now, is_terminal: io::stderr().is_terminal(), of, answered: 0, again: 0 }
    }

    fn hears(&mut self, told: &Told) {
        match told.end {
            End::Acknowledged | End::Refused => self.answered += 1,
            _ => self.again += 1,
        }
        let every = Duration::from_millis(if self.is_terminal { 200 } else { 5_000 });
        if self.told.elapsed() >= every {
            self.told = Instant::now();
            self.show(if self.is_terminal { "" } else { "\n" });
        }
    }

    fn ends(&self) {
        self.show("\n");
    }

    fn show(&self, end: &str) {
        let Self { of, answered, again, .. } = self;
        let ms = self.begun.elapsed().as_millis().max(1);
        let rate = *answered as u128 * 1_000 / ms;
        let start = if self.is_terminal { "\r\x1b[K" } else { "" };
        let seconds = ms / 1_000;
        let _ = write!(
            io::stderr(),
            "{start}  {answered} of {of} answered, {again} again, {rate}/s, {seconds} s{end}"
        );
    }
}

fn print(plan: &Plan) -> io::Result<()> {
    let mut out = io::stdout();
    let truth = &plan.truth;
    for sender in Sender::ALL {
        let kinds = plan.kinds();
        let own = kinds.iter().filter(|((whose, _), _)| *whose == sender);
        let counts: Vec<String> = own.map(|((_, kind), count)| format!("{kind} {count}")).collect();
        let all = truth.messages.iter().filter(|message| message.id.sender == sender).count();
        writeln!(out, "{sender}: {all} messages: {}", counts.join(", "))?;
    }
    let copies = plan.outgoing().filter(|outgoing| outgoing.is_copy).count();
    writeln!(out, "{copies} are sent twice; {} are bad or wait behind a bad one", bad(plan))?;
    let lists = [
        ("patients", truth.patients.len()),
        ("links", truth.links.len()),
        ("visits", truth.visits.len()),
        ("transactions", truth.charges.len()),
        ("appointments", truth.appointments.len()),
        ("orders", truth.orders.len()),
        ("results", truth.results.len()),
        ("consumptions", truth.consumptions.len()),
    ];
    let lists: Vec<String> = lists.iter().map(|(name, count)| format!("{count} {name}")).collect();
    writeln!(out, "{}", lists.join(", "))?;
    for (currency, sum) in truth.sums() {
        writeln!(out, "{sum} {currency}")?;
    }
    Ok(())
}

fn bad(plan: &Plan) -> usize {
    let is_bad = |message: &&hospital::truth::Message| message.fate != hospital::truth::Fate::Applied;
    plan.truth.messages.iter().filter(is_bad).count()
}

fn write(plan: &Plan, folder: &Path) -> io::Result<()> {
    let (senders, codes) = (folder.join("senders"), folder.join("codes"));
    fs::create_dir_all(&senders)?;
    fs::create_dir_all(&codes)?;
    for (sender, port) in Sender::ALL.into_iter().zip(2575..) {
        fs::write(senders.join(format!("{sender}.yaml")), sender.yaml(port))?;
        let messages = folder.join(sender.name());
        fs::create_dir_all(&messages)?;
        for outgoing in plan.stream(sender).iter().filter(|outgoing| !outgoing.is_copy) {
            fs::write(messages.join(format!("{:06}.hl7", outgoing.id.number)), &outgoing.bytes)?;
        }
    }
    for table in TABLES.into_iter().chain([LATER]) {
        fs::write(codes.join(table.file), table.csv)?;
    }
    plan.truth.write(BufWriter::new(File::create(folder.join("truth.jsonl"))?))?;
    let mut counts = BTreeMap::new();
    plan.outgoing()
        .filter(|outgoing| !outgoing.is_copy)
        .for_each(|outgoing| *counts.entry(outgoing.id.sender).or_insert(0) += 1);
    let counts: Vec<String> = counts.iter().map(|(sender, count)| format!("{count} of {sender}")).collect();
    writeln!(io::stdout(), "{}: {}", folder.display(), counts.join(", "))
}

fn endpoint(text: &str) -> Result<(Sender, SocketAddr), String> {
    let (sender, address) =
        text.split_once('=').ok_or("not a sender and its address such as north=127.0.0.1:2575")?;
    let sender = sender.parse().map_err(|error| format!("{sender}: {error}"))?;
    Ok((sender, address.parse().map_err(|error| format!("{address}: {error}"))?))
}
