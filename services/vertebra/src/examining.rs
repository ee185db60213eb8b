//! The command that examines an installation.

use crate::cluster::Cluster;
use crate::odoo_at::OdooPlace;
use crate::operate::database;
use crate::reported;
use canon::Tokenizer;
use clap::Args;
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use vertebra::doctor::{Configured, Examined, examine};

const HELP: &str = "Exit codes:
  0  nothing failed; there may be warnings
  1  something failed; its line says what to do
  2  the command line makes no sense

What is not given is not examined, and a warning says so. Nothing is changed but one thing: to see the broker's clock a position is
committed under the group vertebra-doctor, which is nobody else's.

Example:
  vertebra doctor --kafka-bootstrap … --registry-url … --postgres-url … --odoo-url … --odoo-database … --odoo-api-key-file …";

/// Examine configuration, connections, rights, topics, schemas, clocks and Odoo, and say what to do
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Doctor {
    /// File of the secret that tokens are made with
    #[arg(long, env = "VERTEBRA_TOKEN_SECRET_FILE", value_name = "FILE")]
    token_secret_file: Option<PathBuf>,
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

pub(crate) fn run(command: &Doctor) -> ExitCode {
    let configured = command.configured();
    let work = async { Ok::<Examined, Infallible>(examine(&configured).await) };
    reported(work, |_| false, command.json, Examined::works)
}

impl Doctor {
    /// What is wrong with what was given is the first finding, not the end.
    fn configured(&self) -> Configured {
        let mut mistakes = Vec::new();
        let cluster = match self.cluster.kafka() {
            Ok(None) => None,
            Ok(Some(_)) => self.cluster.settings().map_err(|more| mistakes.extend(more)).ok(),
            Err(mistake) => {
                mistakes.push(mistake);
                None
            }
        };
        let ledgers = self.postgres_url.as_ref().and_then(|url| {
            let url = database(Some(url), self.postgres_password_file.as_deref());
            url.map_err(|mistake| mistakes.push(mistake)).ok()
        });
        let odoo = self.odoo.settings().map_err(|mistake| mistakes.push(mistake)).ok().flatten();
        mistakes.extend(self.secret().err());
        Configured { cluster, ledgers, odoo, mistakes }
    }

    /// The secret is long enough, when one is named.
    fn secret(&self) -> Result<(), String> {
        let Some(file) = &self.token_secret_file else { return Ok(()) };
        let secret = std::fs::read_to_string(file)
            .map_err(|error| format!("--token-secret-file cannot be read: {error}"))?;
        let tokens = Tokenizer::new(secret.trim_end_matches(['\r', '\n']).as_bytes());
        tokens.map(drop).map_err(|error| format!("--token-secret-file: {error}"))
    }
}
