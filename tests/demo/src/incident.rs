//! The incident of the day: the clinic's file names the wrong currency, so that its part of the day is invoiced in dollars.
//! `vertebra books` finds it by what the EHR says that it posted; the file is corrected, and `vertebra raw replay` translates
//! the clinic's messages again.

use crate::{Arguments, replace, say};
use canon::{Event, SenderConfig};
use harness::{Books, Played, until};
use hospital::Sender;
use serde_json::Value;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const TAKEN_UP: Duration = Duration::from_secs(60);
const RIGHT: &str = "currency: EUR";
const WRONG: &str = "currency: USD";
/// Lines of a command's that are shown; the rest is counted.
const LINES_SHOWN: usize = 6;

/// A sender's file that is wrong, and who notices.
pub(crate) struct Incident<'a> {
    arguments: &'a Arguments,
    books: &'a Books,
}

/// What was put right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corrected {
    /// Accounts that were not what the EHR had posted.
    pub(crate) accounts: usize,
    /// Facts that were stated otherwise.
    pub(crate) facts: u64,
}

impl<'a> Incident<'a> {
    pub(crate) fn new(arguments: &'a Arguments, books: &'a Books) -> Self {
        Self { arguments, books }
    }

    /// Somebody rolls the wrong file out, before the day.
    pub(crate) async fn begins(&self) -> Result<(), Box<dyn Error>> {
        self.rolls_out(RIGHT, WRONG).await
    }

    /// Holds the books against what the EHR says that it posted, and puts right what differs; none where nothing does.
    pub(crate) async fn ends(&self, played: &Played) -> Result<Option<Corrected>, Box<dyn Error>> {
        let totals = self.arguments.records.join(format!("day-{}-posted.csv", self.arguments.day));
        fs::write(&totals, played.control_totals())?;
        let totals = totals.display().to_string();
        let looked = self.vertebra(&["books", "--control-total", &totals])?;
        let text = String::from_utf8_lossy(&looked.stdout);
        let differs: Vec<&str> =
            text.lines().filter(|line| line.trim_start().starts_with("differs:")).collect();
        show(&differs);
        if differs.is_empty() {
            say("    every account is what the EHR says that it posted");
            return Ok(None);
        }
        say("  the clinic's amounts are there, but in dollars: somebody corrects its file");
        self.rolls_out(WRONG, RIGHT).await?;
        let replay = [
            &["raw", "replay", "--service", "ehr-adapter", "--processor", "hl7-translation"][..],
            &[
                "--topic",
                "raw.hl7v2.v1",
                "--sender",
                Sender::Clinic.name(),
                "--since",
                "1970-01-01T00:00:00Z",
            ],
            &["--by", "demo", "--because", "its file named the wrong currency"],
        ]
        .concat();
        let preview = self.vertebra(&replay)?;
        let text = String::from_utf8_lossy(&preview.stdout);
        let charges =
            text.lines().filter(|line| line.starts_with("billing.charge.v1") && line.contains("corrected"));
        show(&charges.collect::<Vec<_>>());
        let done = self.vertebra(&[&replay[..], &["--yes", "--json"]].concat())?;
        let told: Value = serde_json::from_slice(&done.stdout)?;
        let facts = told["sum"]["corrected"].as_u64().unwrap_or_default();
        say(&format!(
            "    {facts} facts were stated otherwise; what follows from them is on its way to Odoo"
        ));
        Ok(Some(Corrected { accounts: differs.len(), facts }))
    }

    /// Changes the clinic's file, and waits until the service has taken it up.
    async fn rolls_out(&self, from: &str, to: &str) -> Result<(), Box<dyn Error>> {
        let file: PathBuf = self.arguments.senders.join(format!("{}.yaml", Sender::Clinic.name()));
        let text = fs::read_to_string(&file)?;
        if !text.contains(from) {
            return Ok(());
        }
        taken_up(self.books, SenderConfig::TOPIC, &file, &text.replace(from, to)).await
    }

    /// Types a command of the operator's.
    fn vertebra(&self, args: &[&str]) -> Result<Output, Box<dyn Error>> {
        say(&format!("  $ vertebra {}", args.join(" ")));
        let ended = Command::new(&self.arguments.vertebra)
            .args(args)
            .env("VERTEBRA_POSTGRES_URL", &self.arguments.postgres_url)
            .env("VERTEBRA_KAFKA_BOOTSTRAP", &self.arguments.kafka)
            .env("VERTEBRA_REGISTRY_URL", &self.arguments.registry_url)
            .output()?;
        // 1: there is something to look after.
        match ended.status.code() {
            Some(0 | 1) => Ok(ended),
            _ => {
                Err(format!("vertebra {}: {}", args.join(" "), String::from_utf8_lossy(&ended.stderr)).into())
            }
        }
    }
}

/// Writes a file, and waits until a service has published what is in it on a topic.
pub(crate) async fn taken_up(
    books: &Books,
    topic: &'static str,
    file: &Path,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    let before = books.count(topic).await?;
    replace(file, text)?;
    let published = until(TAKEN_UP, || async { (books.count(topic).await.ok()? != before).then_some(()) });
    let late = || format!("{} is not taken up by the services", file.display());
    Ok(published.await.ok_or_else(late)?)
}

fn show(lines: &[&str]) {
    for line in lines.iter().take(LINES_SHOWN) {
        say(&format!("    {line}"));
    }
    if let Some(more @ 1..) = lines.len().checked_sub(LINES_SHOWN) {
        say(&format!("    and {more} more"));
    }
}
