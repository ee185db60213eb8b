//! The command line.

use crate::accounting::Books;
use crate::again::{RawCommand, Replay};
use crate::auditing::AuditCommand;
use crate::cluster::Cluster;
use crate::examining::Doctor;
use crate::following::Trace;
use crate::forgetting::EffectsCommand;
use crate::mending::TopicCommand;
use crate::operate::{CodesCommand, LanesCommand, ParkedCommand, SourceCommand};
use crate::paint::Colour;
use crate::recovering::Recover;
use crate::replaying::ReplayCommand;
use crate::standing::Standing;
use clap::{Args, Parser, Subcommand};

/// What operators of Vertebra do by hand.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) area: Area,
    /// Whether pages have colours
    #[arg(long = "color", alias = "colour", global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) colour: Colour,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Area {
    // What `raw replay` was called first.
    #[command(hide = true)]
    Again(Replay),
    /// What people did to a service by hand, and whether that is still what they did
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    Books(Books),
    /// Print what completes this command's words in a shell
    ///
    /// bash: vertebra completions bash > /etc/bash_completion.d/vertebra
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Topics and schemas: what the services of this release read and write
    Contract {
        #[command(subcommand)]
        command: ContractCommand,
    },
    /// Codes that were seen and that no table has
    Codes {
        #[command(subcommand)]
        command: CodesCommand,
    },
    Doctor(Doctor),
    /// What took effect in Odoo, held against what is there
    Effects {
        #[command(subcommand)]
        command: EffectsCommand,
    },
    /// Lanes: who works which, and which are stopped
    Lanes {
        #[command(subcommand)]
        command: LanesCommand,
    },
    /// Inputs that wait for a person
    Parked {
        #[command(subcommand)]
        command: ParkedCommand,
    },
    /// Messages as they came
    Raw {
        #[command(subcommand)]
        command: RawCommand,
    },
    /// Bring a ledger that went back in time up to what was published from it
    Recover(Recover),
    /// Rebuild a projection beside the live one, compare, cut over, go back
    Replay {
        #[command(subcommand)]
        command: ReplayCommand,
    },
    /// Sources: what they know of the world, and what they ask a person
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    Status(Standing),
    Trace(Trace),
    /// Topics that were damaged: said once more by their producer, read again by their readers
    Topic {
        #[command(subcommand)]
        command: TopicCommand,
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
    /// Print Prometheus' rules: what the catalog promises, silence of senders, alerts
    Alerts(Alerts),
    /// Print Grafana's dashboard
    Dashboard,
}

#[derive(Args, Debug)]
pub(crate) struct Alerts {
    /// Where the runbooks are read: an address, or a folder
    #[arg(long, value_name = "URL", default_value = vertebra::watch::RUNBOOKS)]
    pub(crate) runbooks: String,
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
    /// Copies that must have a record before its producer is answered, of each topic that is created; unless given, all
    /// but one, and at least one
    #[arg(long, env = "VERTEBRA_MIN_IN_SYNC", value_name = "COPIES", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(crate) min_in_sync: Option<u16>,
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

    /// The page of a command and of those beneath it.
    fn page(command: &clap::Command, path: &str, page: &mut String) {
        let help =
            command.clone().term_width(100).mut_args(|arg| arg.hide_env_values(true)).render_long_help();
        let level = path.split(' ').count();
        let help = help.to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        *page +=
            &format!("\n{} {path}\n```\n{}\n```\n", "#".repeat(level.min(3)), help.join("\n").trim_end());
        for under in command.get_subcommands().filter(|under| !under.is_hide_set()) {
            self::page(under, &format!("{path} {}", under.get_name()), page);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a knob of this test, not configuration")]
    fn the_page_of_commands_is_what_they_say_of_themselves() {
        let mut expected =
            "<!-- Generated from the commands' --help: UPDATE_GENERATED=1 cargo test -p vertebra -->\n"
                .to_owned();
        let mut command = Cli::command();
        command.build();
        page(&command, "vertebra", &mut expected);
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vertebra.md");
        if std::fs::read_to_string(&path).unwrap_or_default() == expected {
            return;
        }
        let update = std::env::var("UPDATE_GENERATED").is_ok_and(|value| value == "1");
        assert!(update, "docs/vertebra.md is stale: run `UPDATE_GENERATED=1 cargo test -p vertebra`");
        std::fs::write(path, expected).expect("written");
    }

    #[track_caller]
    fn check(args: &[&str], understood: bool) {
        let parsed = Cli::try_parse_from(["vertebra", "contract"].iter().chain(args));
        assert_eq!(parsed.is_ok(), understood, "{args:?}");
    }

    #[track_caller]
    fn check_whole(line: &str, understood: bool) {
        let parsed = Cli::try_parse_from(std::iter::once("vertebra").chain(line.split(' ')));
        assert_eq!(parsed.is_ok(), understood, "{line}");
    }

    #[test]
    fn a_lane_is_resumed_by_somebody_and_for_a_reason() {
        check_whole("lanes resume --service s --processor p --lane 0 --by me --because repaired", true);
        check_whole("lanes resume --service s --processor p --lane 0 --by me", false);
        check_whole("lanes resume --service s --processor p --by me --because repaired", false);
        check_whole("lanes resume --service s --processor p --lane -1 --by me --because repaired", false);
    }

    #[test]
    fn what_is_parked_is_decided_about_by_somebody_and_for_a_reason() {
        let all = "parked redrive --service s --reason refused --by me --because mended";
        check_whole(all, true);
        check_whole(&format!("{all} --yes --rate 10 --timeout 5m --json"), true);
        check_whole(&all.replace(" --because mended", ""), false);
        check_whole(&format!("{all} --id 3"), false);
        check_whole("parked discard --service s --id 3,4 --by me --because so --yes", true);
        check_whole("parked edit --service s --id 3 --message m.hl7 --by me --because so", true);
        check_whole("parked edit --service s --id 3 --by me --because so", false);
        check_whole("parked show --service s --id 3", true);
        check_whole("parked show --service s --id 3 --reveal", false);
        check_whole("parked release --service s --by me --because so", true);
        check_whole("parked release --service s --key k --by me --because so --yes", true);
        check_whole("parked release --service s --by me", false);
        check_whole("doctor", true);
        check_whole("doctor --json --kafka-bootstrap a:1 --odoo-url http://o --token-secret-file f", true);
        check_whole("status --prometheus-url http://p:9090", true);
        check_whole("status --color never", true);
        check_whole("--colour always parked list --service s", true);
        check_whole("status --color green", false);
        check_whole("completions bash", true);
        check_whole("completions cmd", false);
        check_whole("status", true);
        check_whole("status --service s --json --kafka-bootstrap a:1", true);
        check_whole("books", true);
        check_whole(
            "books --control-total f.csv --since 2d --json --kafka-bootstrap a:1 --registry-url http://a",
            true,
        );
        check_whole("books --since yesterday", false);
        check_whole("trace 4711", true);
        check_whole("trace - --as visit --authority LAKESIDE --since 2d --json", true);
        check_whole(
            "trace 4711 --as account --token-secret-file f --odoo-url http://o --odoo-database d",
            true,
        );
        check_whole("trace 4711 --reveal --by me --because so", true);
        check_whole("trace 4711 --reveal --by me", false);
        check_whole("trace 4711 --as patient", false);
        check_whole("trace 4711 --since yesterday", false);
        check_whole("trace", false);
        check_whole("audit list --service s --limit 5 --json", true);
        check_whole("audit verify --service s", true);
        check_whole("audit verify --service s --topic --kafka-bootstrap a:1 --registry-url http://a", true);
    }

    #[test]
    fn a_rebuild_is_asked_for_and_cut_over_to_by_somebody_and_for_a_reason() {
        check_whole("replay plan --service s --processor p", true);
        check_whole("replay run --service s --processor p --by me --because so", true);
        check_whole(
            "replay run --service s --processor p --tables now --rate 100 --by me --because so --json",
            true,
        );
        check_whole("replay run --service s --processor p --by me", false);
        check_whole("replay verify --service s --replay 1", true);
        check_whole("replay cutover --service s --replay 1 --by me --because so", true);
        check_whole("replay cutover --service s --replay 1 --by me --yes-because so --lane 0", true);
        check_whole("replay cutover --service s --replay 1 --by me", false);
        check_whole("replay rollback --service s --replay 1 --by me --dry-run --because so", true);
        check_whole("replay rollback --service s --replay 1 --by me --dry-run --yes-because so", false);
        check_whole("replay retire --service s --replay 1 --by me --because so", true);
        check_whole("replay list --service s --json", true);
    }

    #[test]
    fn a_ledger_is_recovered_by_somebody_and_for_a_reason() {
        check_whole("recover --service s", true);
        check_whole("recover --service s --yes --by me --because restored", true);
        check_whole("recover --service s --yes --by me", false);
        check_whole("recover --yes --by me --because restored", false);
    }

    #[test]
    fn records_are_folded_again_for_somebody_and_for_a_reason_or_waited_for() {
        let all = "raw replay --sender north --since 2025-03-10T00:00:00Z --until 2h --by me --because so";
        check_whole(all, true);
        check_whole(&format!("{all} --service s --processor p --topic t"), true);
        check_whole(&format!("{all} --yes --json --timeout 5m --rate 10 --despite-rejected"), true);
        check_whole(&format!("{all} --dry-run"), true);
        check_whole(&format!("{all} --dry-run --yes"), false);
        check_whole(&format!("{all} --despite-rejected"), false);
        check_whole(&format!("{all} --timeout soon"), false);
        check_whole(&all.replace(" --because so", ""), false);
        check_whole(&all.replace("2025-03-10T00:00:00Z", "yesterday"), false);
        check_whole(&all.replace("raw replay", "again"), true);
        check_whole("raw replay --service s --asked 41,42", true);
        check_whole("raw replay --service s --asked 41 --yes", false);
        check_whole(&format!("{all} --asked 41"), false);
    }

    #[test]
    fn a_source_is_let_go_on_by_somebody_for_a_reason_and_up_to_a_number() {
        check_whole("source list --service s --json", true);
        let all =
            "source approve --service s --source o --kind product.product --gone 120 --by me --because so";
        check_whole(all, true);
        check_whole(&all.replace(" --gone 120", ""), false);
        check_whole(&all.replace("120", "0"), false);
        check_whole(&all.replace(" --because so", ""), false);
    }

    #[test]
    fn what_is_looked_at_is_a_services() {
        check_whole("parked list --service s --reason missing --sender north --key k --limit 5 --json", true);
        check_whole("parked list", false);
        check_whole("codes unmapped --service s", true);
        check_whole("lanes list --service s --json", true);
        check_whole("lanes list --service not/a/name", false);
    }

    #[test]
    fn replication_is_a_small_number_and_docs_needs_nothing() {
        check(&["apply", "--replication", "1"], true);
        check(&["apply", "--replication", "0"], false);
        check(&["apply", "--replication", "ten"], false);
        check(&["check", "--offline", "--json"], true);
        check(&["docs"], true);
        check(&["docs", "--json"], false);
        check(&["alerts", "--runbooks", "https://runbooks.example.org"], true);
        check(&["dashboard"], true);
        check(&[], false);
    }
}
