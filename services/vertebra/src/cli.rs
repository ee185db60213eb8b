//! The command line.

use crate::cluster::Cluster;
use clap::{Args, Parser, Subcommand};

/// What operators of Vertebra do by hand.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) area: Area,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Area {
    /// Topics and schemas: what the services of this release read and write
    Contract {
        #[command(subcommand)]
        command: ContractCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Create missing topics and register missing schemas
    ///
    /// Services never do this themselves: they wait until it is done. Run it once before a release is rolled out; the
    /// same command again does nothing. Topics that are there are never altered, and a topic with another number of
    /// partitions than the catalog's stops everything before anything is done.
    #[command(after_help = CODES)]
    Apply(Apply),
    /// Compare topics and schemas with this release's, and change nothing
    #[command(after_help = CODES)]
    Check(Check),
    /// Print every topic, its fields, who writes and who reads it, as Markdown
    Docs,
}

const CODES: &str = "Exit codes:
  0  the contract holds
  1  something is missing, differs or is refused; the table says what to do
  2  the command line makes no sense
  3  Kafka or the registry does not answer, or Kafka cannot do it

Example, one broker on this machine:
  vertebra contract apply --kafka-bootstrap 127.0.0.1:9092 \\
      --registry-url http://127.0.0.1:8080/apis/ccompat/v7 --replication 1";

#[derive(Args, Debug)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    /// Copies of each topic that is created; a single broker can keep only one
    #[arg(long, env = "VERTEBRA_REPLICATION", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(crate) replication: u16,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    /// Only hold the schemas against the released ones; needs neither Kafka nor a registry
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[track_caller]
    fn check(args: &[&str], understood: bool) {
        let parsed = Cli::try_parse_from(["vertebra", "contract"].iter().chain(args));
        assert_eq!(parsed.is_ok(), understood, "{args:?}");
    }

    #[test]
    fn replication_is_a_small_number_and_docs_needs_nothing() {
        check(&["apply", "--replication", "1"], true);
        check(&["apply", "--replication", "0"], false);
        check(&["apply", "--replication", "ten"], false);
        check(&["check", "--offline", "--json"], true);
        check(&["docs"], true);
        check(&["docs", "--json"], false);
        check(&[], false);
    }
}
