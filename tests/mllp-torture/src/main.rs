//! `mllp-torture`: lists the cases, or runs them against an endpoint. 0: nothing failed; 1: something did; 2: it could
//! not be begun.

use clap::{Args, Parser, Subcommand, ValueEnum};
use mllp_torture::{
    BadTls, Case, CertificateFiles, Ended, Mllp, Outcome, Sender, Slow, Target, Tls, TlsFiles, all, messages,
    replay,
};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Torture for MLLP endpoints, ours or another's.
#[derive(Debug, Parser)]
#[command(name = "mllp-torture")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the cases.
    List,
    /// Runs cases, or sends a file of messages, and reports.
    Run(Box<RunArguments>),
}

#[derive(Args, Debug)]
struct RunArguments {
    /// The endpoint, host:port.
    #[arg(long)]
    endpoint: String,
    /// A case by its number or its name; may be given several times. All of them by default.
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Sends the messages of this file instead of the cases.
    #[arg(long, conflicts_with = "cases")]
    replay: Option<PathBuf>,
    /// How long an answer is waited for.
    #[arg(long, default_value = "10s", value_parser = span)]
    timeout: Duration,
    /// Also waits for the endpoint's own time-outs, for as long as --patience.
    #[arg(long)]
    slow: bool,
    /// How long the slow cases wait.
    #[arg(long, default_value = "120s", value_parser = span)]
    patience: Duration,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Which release of MLLP the endpoint speaks; v2 has commit bytes.
    #[arg(long, value_enum, default_value_t = Release::V1)]
    mllp: Release,
    /// The size of a message over the endpoint's cap, in MiB.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    oversize_mib: u16,
    #[command(flatten)]
    sender: SenderArguments,
    #[command(flatten)]
    tls: TlsArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Release {
    V1,
    V2,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "What the messages say")]
struct SenderArguments {
    /// MSH-3.
    #[arg(long, default_value = "TORTURE")]
    sending_app: String,
    /// MSH-4.
    #[arg(long, default_value = "TESTBENCH")]
    sending_facility: String,
    /// MSH-5.
    #[arg(long, default_value = "RECEIVER")]
    receiving_app: String,
    /// MSH-6.
    #[arg(long, default_value = "UNDERTEST")]
    receiving_facility: String,
    /// PID-3.4, the authority of the patient's identifier.
    #[arg(long, default_value = "TORTURE")]
    patient_authority: String,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
struct TlsArguments {
    /// The endpoint is encrypted: every case runs over TLS.
    #[arg(long, requires = "ca")]
    tls: bool,
    /// PEM: authorities that the endpoint's certificate is checked by.
    #[arg(long, requires = "tls")]
    ca: Option<PathBuf>,
    /// The name its certificate has to have; the endpoint's host by default.
    #[arg(long, requires = "tls")]
    server_name: Option<String>,
    /// PEM: the client's certificate. The endpoint then has to ask for one.
    #[arg(long, requires_all = ["tls", "key"])]
    cert: Option<PathBuf>,
    /// PEM: its key.
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// PEM: a client's certificate that has to be refused, expired or of another authority.
    #[arg(long, requires_all = ["tls", "refused_key"])]
    refused_cert: Option<PathBuf>,
    /// PEM: its key.
    #[arg(long, requires = "refused_cert")]
    refused_key: Option<PathBuf>,
    /// A command, for sh, that gives the running endpoint another certificate.
    #[arg(long, requires = "tls")]
    rotate: Option<String>,
}

/// Nothing could be begun.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    #[error("no case has the number or name {0:?}; mllp-torture list tells them")]
    Case(String),
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has no message in it", path.display())]
    NoMessages { path: PathBuf },
    #[error("the report cannot be written")]
    Output(#[from] io::Error),
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Tls(#[from] BadTls),
    #[error("{came} instead of {expected}")]
    Endpoint { expected: String, came: String },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::List => list(&all()).map(|()| true).map_err(Hindrance::from),
        Command::Run(arguments) => match &arguments.replay {
            Some(path) => send(&arguments, path.clone()).await,
            None => run(&arguments).await,
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(hindrance) => {
            let mut why = hindrance.to_string();
            let mut cause = std::error::Error::source(&hindrance);
            while let Some(error) = cause {
                why = format!("{why}: {error}");
                cause = error.source();
            }
            let _ = writeln!(io::stderr(), "mllp-torture: {why}");
            ExitCode::from(2)
        }
    }
}

fn list(cases: &[Case]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    cases
        .iter()
        .try_for_each(|Case { number, name, says, .. }| writeln!(out, "{number:>4}  {name:<44} {says}"))
}

async fn run(arguments: &RunArguments) -> Result<bool, Hindrance> {
    let target = target(arguments)?;
    let cases = chosen(&arguments.cases)?;
    let is_table = !arguments.json;
    let mut told = Ok(());
    let report = mllp_torture::run(&target, &cases, |finding| {
        if is_table && told.is_ok() {
            told = writeln!(io::stdout(), "{finding}");
        }
    })
    .await;
    told?;
    if arguments.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        if let [only] = &report.findings[..]
            && matches!(only.outcome, Outcome::Failed { .. })
        {
            writeln!(io::stdout(), "not even a healthy message is accepted, so no case was run")?;
        }
        writeln!(io::stdout(), "{}", report.summary())?;
    }
    Ok(report.is_good())
}

async fn send(arguments: &RunArguments, path: PathBuf) -> Result<bool, Hindrance> {
    let target = target(arguments)?;
    let file = std::fs::read(&path).map_err(|source| Hindrance::File { path: path.clone(), source })?;
    let messages = messages(&file);
    if messages.is_empty() {
        return Err(Hindrance::NoMessages { path });
    }
    let replayed = replay(&target, &messages).await.map_err(|ended| match ended {
        Ended::Failed { expected, came } => Hindrance::Endpoint { expected, came },
        Ended::Skipped { why } => Hindrance::Endpoint { expected: "a replay".to_owned(), came: why },
    })?;
    if arguments.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&replayed)?)?;
    } else {
        writeln!(io::stdout(), "{replayed}")?;
    }
    Ok(replayed.is_good())
}

fn chosen(named: &[String]) -> Result<Vec<Case>, Hindrance> {
    let all = all();
    let is = |case: &Case, name: &String| case.number == name || case.name == name;
    if let Some(unknown) = named.iter().find(|name| !all.iter().any(|case| is(case, name))) {
        return Err(Hindrance::Case(unknown.clone()));
    }
    Ok(all.into_iter().filter(|case| named.is_empty() || named.iter().any(|name| is(case, name))).collect())
}

fn target(arguments: &RunArguments) -> Result<Target, BadTls> {
    let SenderArguments {
        sending_app,
        sending_facility,
        receiving_app,
        receiving_facility,
        patient_authority,
    } = &arguments.sender;
    Ok(Target {
        timeout: arguments.timeout,
        tls: tls(arguments)?,
        sender: Sender {
            application: sending_app.clone(),
            facility: sending_facility.clone(),
            receiving_application: receiving_app.clone(),
            receiving_facility: receiving_facility.clone(),
            patient_authority: patient_authority.clone(),
        },
        mllp: match arguments.mllp {
            Release::V1 => Mllp::V1,
            Release::V2 => Mllp::V2,
        },
        slow: if arguments.slow { Slow::Within(arguments.patience) } else { Slow::No },
        oversize_bytes: usize::from(arguments.oversize_mib) << 20,
        ..Target::new(&arguments.endpoint)
    })
}

fn tls(arguments: &RunArguments) -> Result<Option<Tls>, BadTls> {
    let given = &arguments.tls;
    let Some(authorities) = given.ca.clone().filter(|_| given.tls) else { return Ok(None) };
    let pair = |chain: &Option<PathBuf>, key: &Option<PathBuf>| {
        Some(CertificateFiles { chain: chain.clone()?, key: key.clone()? })
    };
    let host = arguments.endpoint.rsplit_once(':').map_or(arguments.endpoint.as_str(), |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Tls::read(&TlsFiles {
        authorities,
        server_name: given.server_name.clone().unwrap_or_else(|| host.to_owned()),
        client: pair(&given.cert, &given.key),
        refused: pair(&given.refused_cert, &given.refused_key),
        rotate: given.rotate.clone(),
    })
    .map(Some)
}

/// A time span such as 10s or 2m.
fn span(text: &str) -> Result<Duration, String> {
    let span: Option<jiff::SignedDuration> = text.parse().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "a time span such as 10s is expected".to_owned())
}
