//! Whoever types a page's commands: in a shell, with an operator's surroundings and nothing else.

use crate::expect::{Known, filled, matches};
use crate::page::{self, Command, Step};
use harness::{Fleet, Stack};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a command is typed again until it says so.
const REPEATED: Duration = Duration::from_secs(120);
const BETWEEN: Duration = Duration::from_millis(500);

/// One who has a page before him.
pub struct Typist {
    page: PathBuf,
    surroundings: BTreeMap<String, String>,
    folder: PathBuf,
    /// What the places to fill in stand for.
    pub known: Known,
}

/// What others do meanwhile, by its name in the page.
#[allow(async_fn_in_trait, reason = "of tests, which are one crate")]
pub trait Others {
    /// Does it; false where there is nothing of this name.
    async fn then(&mut self, name: &str, known: &mut Known) -> bool;
}

/// Nobody else does anything.
pub struct Nobody;

impl Others for Nobody {
    async fn then(&mut self, _name: &str, _known: &mut Known) -> bool {
        false
    }
}

impl Typist {
    /// One with this page of `docs/runbooks`, at the stack's addresses, in the fleet's folder.
    pub fn new(page: &str, fleet: &Fleet, stack: &Stack) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let programs = fleet.program("vertebra");
        let programs = programs.parent().unwrap_or(Path::new("."));
        let surroundings = [
            ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display())),
            ("USER", "jo".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("VERTEBRA_POSTGRES_URL", stack.postgres_url.clone()),
            ("VERTEBRA_KAFKA_BOOTSTRAP", stack.kafka.clone()),
            ("VERTEBRA_REGISTRY_URL", stack.registry_url.clone()),
            ("VERTEBRA_ODOO_URL", stack.odoo.url.clone()),
            ("VERTEBRA_ODOO_DATABASE", stack.odoo.database.clone()),
            ("VERTEBRA_ODOO_API_KEY_FILE", stack.odoo.key_file.display().to_string()),
        ];
        Self {
            page: root.join("docs/runbooks").join(page),
            surroundings: surroundings.map(|(name, value)| (name.to_owned(), value)).into(),
            folder: fleet.folder().to_owned(),
            known: Known::new(),
        }
    }

    /// Says what a place to fill in stands for: what an operator knows who comes to the page.
    #[must_use]
    pub fn knowing(mut self, place: &str, value: &str) -> Self {
        self.known.insert(place.to_owned(), value.to_owned());
        self
    }

    /// Types the whole page.
    ///
    /// # Panics
    /// When the page cannot be executed, or anything was not as it says; with everything that was not.
    #[expect(clippy::print_stdout, reason = "a test tells what was typed")]
    pub async fn types(&mut self, others: &mut impl Others) {
        let text = std::fs::read_to_string(&self.page);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", self.page.display()));
        let steps = page::read(&text).unwrap_or_else(|error| panic!("{}: {error}", self.page.display()));
        let mut wrong = Vec::new();
        for step in steps {
            match step {
                Step::Then { line, name } => {
                    println!("-- {name}");
                    if !others.then(&name, &mut self.known).await {
                        wrong.push(format!("line {line}: nobody does this: {name}"));
                    }
                }
                Step::Command(command) => wrong.extend(self.command(&command).await.err()),
            }
        }
        assert!(wrong.is_empty(), "{} is not what happens:\n{}", self.page.display(), wrong.join("\n"));
    }

    #[expect(clippy::print_stdout, reason = "a test tells what was typed")]
    async fn command(&mut self, command: &Command) -> Result<(), String> {
        let line = command.line;
        let unknown = |place| format!("line {line}: <{place}> was never seen");
        let typed = filled(&command.typed, &self.known).map_err(unknown)?;
        println!("$ {typed}");
        let begun = Instant::now();
        loop {
            let (code, printed) = self.run(&typed)?;
            let found = matches(&command.printed, &printed, &self.known);
            let found = found.filter(|_| command.is_repeated || code == command.code);
            let is_over = !command.is_repeated || begun.elapsed() > REPEATED;
            match found {
                Some(known) => {
                    println!("{}", printed.join("\n"));
                    self.known = known;
                    return Ok(());
                }
                None if is_over => {
                    println!("{}\n[{code}]", printed.join("\n"));
                    let (expected, printed) = (command.printed.join("\n  "), printed.join("\n  "));
                    return Err(format!(
                        "line {line}: $ {typed}\n it is to end with {} and to say\n  {expected}\n it ended with {code} and said\n  {printed}",
                        command.code
                    ));
                }
                None => tokio::time::sleep(BETWEEN).await,
            }
        }
    }

    fn run(&self, typed: &str) -> Result<(i32, Vec<String>), String> {
        let mut shell = std::process::Command::new("bash");
        shell
            .args(["-c", &format!("exec 2>&1; {typed}")])
            .env_clear()
            .envs(&self.surroundings)
            .current_dir(&self.folder);
        let ended = shell.output().map_err(|error| format!("no shell: {error}"))?;
        let printed = String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect();
        Ok((ended.status.code().unwrap_or(-1), printed))
    }
}
