//! The command that follows one fact through everything.

use crate::again::progress;
use crate::cluster::Cluster;
use crate::odoo_at::OdooPlace;
use crate::operate::{database, said};
use crate::{USAGE, fail, reported};
use backbone::edge::BrokerError;
use backbone::kafka::KafkaSettings;
use backbone::postgres::operate::Asker;
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::{Timestamp, Tokenizer};
use clap::{Args, ValueEnum};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;
use vertebra::trace::{self, As, OdooAt, Places, Question, Subject, TraceError};

const HELP: &str = "Exit codes:
  0  it was found, and nothing of it waits
  1  nothing was found, and the page tells where it was looked for; or something of it waits for a person, a reader or the relay
  2  the command line makes no sense
  3  PostgreSQL, Kafka, the registry or Odoo does not answer

What is typed may be a patient's number: it is made a token at once, under the installation's secret, and is printed nowhere. A
shell keeps what is typed, though; - reads it from the standard input instead.

Topics are read from --since on, and of those that are keyed by visits only the partitions of the visits concerned. What is shown
is masked where it is a patient's; --reveal shows it, and who asked and why is kept (vertebra audit list).

Examples:
  vertebra trace MSG00017 --as control-id
  echo 4711 | vertebra trace - --as visit --token-secret-file secret --odoo-url http://odoo:8069 --odoo-database odoo \\
      --odoo-api-key-file key
  vertebra trace INV/2025/00012 --since 90d";

/// Follow one fact: through topics, ledgers and Odoo, in order of time, with causes
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Trace {
    /// A message's control id, a visit's or an account's number or token, an invoice's number or id, a request's id, an event's id
    /// or its fact's name; - reads it from the standard input
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// How it is meant; without, in every way that it can be
    #[arg(long = "as", value_enum, value_name = "KIND")]
    meant: Option<Meant>,
    /// Whose number it is, of a visit or an account; without, of every authority that a sender's file names
    #[arg(long, value_name = "NAME")]
    authority: Option<String>,
    /// Records before this time are not looked at; or how long ago, such as 12h
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: Timestamp,
    /// File of the secret that tokens are made with; needed for numbers of visits and accounts
    #[arg(long, env = "VERTEBRA_TOKEN_SECRET_FILE", value_name = "FILE")]
    token_secret_file: Option<PathBuf>,
    /// Show everything: patients' data. Who asked for it and why is kept
    #[arg(long, requires = "because", requires = "by")]
    reveal: bool,
    /// Who asks
    #[arg(long, env = "USER", value_name = "PERSON", value_parser = said)]
    by: Option<String>,
    /// Why it has to be seen; name no patient
    #[arg(long, value_name = "TEXT", value_parser = said, requires = "by")]
    because: Option<String>,
    /// Database of the ledgers, postgres://user@host:5432/name
    #[arg(long, env = "VERTEBRA_POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// File of the password, when the URL holds none
    #[arg(long, env = "VERTEBRA_POSTGRES_PASSWORD_FILE", value_name = "FILE")]
    postgres_password_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    odoo: OdooPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Meant {
    Account,
    ControlId,
    Event,
    Invoice,
    Visit,
}

impl From<Meant> for As {
    fn from(meant: Meant) -> Self {
        match meant {
            Meant::Account => Self::Account,
            Meant::ControlId => Self::ControlId,
            Meant::Event => Self::Event,
            Meant::Invoice => Self::Invoice,
            Meant::Visit => Self::Visit,
        }
    }
}

pub(crate) fn since(text: &str) -> Result<Timestamp, &'static str> {
    trace::since(text, SystemTime::now().into())
}

/// What the command line comes to.
struct Ready {
    subject: Subject,
    tokens: Option<Tokenizer>,
    kafka: KafkaSettings,
    registry: ServiceUrl,
    ledgers: ServiceUrl,
    odoo: Option<odoo::Settings>,
}

pub(crate) fn run(command: &Trace) -> ExitCode {
    let ready = match command.ready() {
        Ok(ready) => ready,
        Err(mistakes) => return fail(&mistakes.join("\n"), USAGE),
    };
    reported(command.follow(ready), TraceError::is_away, command.json, trace::Trace::is_well)
}

impl Trace {
    /// Everything that the question needs, or all that is wrong.
    fn ready(&self) -> Result<Ready, Vec<String>> {
        let mut mistakes = Vec::new();
        let subject = self.subject().map_err(|mistake| mistakes.push(mistake)).ok();
        let tokens = self.tokens().map_err(|mistake| mistakes.push(mistake)).ok();
        let cluster = self.cluster.settings().map_err(|more| mistakes.extend(more)).ok();
        let ledgers = database(self.postgres_url.as_deref(), self.postgres_password_file.as_deref());
        let ledgers = ledgers.map_err(|mistake| mistakes.push(mistake)).ok();
        let odoo = self.odoo.settings().map_err(|mistake| mistakes.push(mistake)).ok();
        match (subject, tokens, cluster, ledgers, odoo) {
            (Some(subject), Some(tokens), Some((kafka, registry)), Some(ledgers), Some(odoo)) => {
                Ok(Ready { subject, tokens, kafka, registry, ledgers, odoo })
            }
            _ => Err(mistakes),
        }
    }

    fn subject(&self) -> Result<Subject, String> {
        let mut text = self.subject.clone();
        if text == "-" {
            text.clear();
            let read = std::io::stdin().take(4_096).read_to_string(&mut text);
            read.map_err(|error| format!("the standard input cannot be read: {error}"))?;
        }
        if text.trim().is_empty() {
            return Err("nothing is asked after".to_owned());
        }
        Ok(Subject::new(&text, self.meant.map(As::from)))
    }

    fn tokens(&self) -> Result<Option<Tokenizer>, String> {
        let Some(file) = &self.token_secret_file else { return Ok(None) };
        let secret = std::fs::read_to_string(file)
            .map_err(|error| format!("--token-secret-file cannot be read: {error}"))?;
        // As the services' settings read it.
        let tokens = Tokenizer::new(secret.trim_end_matches(['\r', '\n']).as_bytes());
        tokens.map(Some).map_err(|error| format!("--token-secret-file: {error}"))
    }

    async fn follow(&self, ready: Ready) -> Result<trace::Trace, TraceError> {
        let registry = Registry::new(&ready.registry);
        let registry =
            registry.map_err(|error| BrokerError::caused("the registry cannot be asked", error))?;
        let places = Places {
            kafka: &ready.kafka,
            registry: &registry,
            ledgers: &ready.ledgers,
            odoo: ready.odoo.map(OdooAt),
        };
        let reveal = match (self.reveal, &self.by, &self.because) {
            (true, Some(by), Some(because)) => Some(Asker { by, because }),
            _ => None,
        };
        let question = Question {
            subject: &ready.subject,
            since: self.since,
            tokens: ready.tokens.as_ref(),
            authority: self.authority.as_deref(),
            reveal,
        };
        trace::trace(&places, &question, &mut |text| progress(text)).await
    }
}
