//! The services of the charge's way, as they are started for a test: settings that agree with each other.

use crate::process::{Launch, Process};
use crate::stack::Stack;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the processes that a charge goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `code-importer`.
    Import,
    /// `odoo-poller`.
    Poll,
    /// `ehr-adapter land`.
    Land,
    /// `ehr-adapter translate`.
    Translate,
    /// `billing-projector`.
    Bill,
    /// `odoo-writer`.
    Write,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Import, Self::Poll, Self::Land, Self::Translate, Self::Bill, Self::Write];
    /// Those that a charge goes through, in its order.
    pub const WAY: [Self; 4] = [Self::Land, Self::Translate, Self::Bill, Self::Write];

    fn program(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Import => ("code-importer", &[]),
            Self::Poll => ("odoo-poller", &[]),
            Self::Land => ("ehr-adapter", &["land"]),
            Self::Translate => ("ehr-adapter", &["translate"]),
            Self::Bill => ("billing-projector", &[]),
            Self::Write => ("odoo-writer", &[]),
        }
    }

    /// A name for people and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "code-importer",
            Self::Poll => "odoo-poller",
            Self::Land => "ehr-adapter-land",
            Self::Translate => "ehr-adapter-translate",
            Self::Bill => "billing-projector",
            Self::Write => "odoo-writer",
        }
    }
}

/// A sender's file, and where it connects to.
#[derive(Clone, Debug)]
pub struct SenderFile {
    /// The sender's name.
    pub name: String,
    /// The port of 127.0.0.1 it connects to.
    pub port: u16,
    /// The file's text.
    pub yaml: String,
}

impl SenderFile {
    /// What the small [`Hospital`](crate::Hospital) writes its messages by.
    pub fn small(name: &str, port: u16) -> Self {
        let yaml = format!(
            "name: {name}\nlisten: 127.0.0.1:{port}\ntime_zone: UTC\ncurrency: USD\nprocessing: [P]\n\
             patient_authority: LAKESIDE\nvisit_authority: LAKESIDE\n"
        );
        Self { name: name.to_owned(), port, yaml }
    }

    /// One of the three that make a whole day.
    pub fn of_day(sender: hospital::Sender, port: u16) -> Self {
        Self { name: sender.name().to_owned(), port, yaml: sender.yaml(port) }
    }
}

/// What tokens are made with, in every fleet: one stack's topics are of one secret.
pub const SECRET: &str = "a secret of tests, for topics of tests only";

/// All services of one test, on one stack, with one folder for their logs and files.
#[derive(Clone, Debug)]
pub struct Fleet {
    stack: Stack,
    folder: PathBuf,
    programs: PathBuf,
    senders: Vec<SenderFile>,
    lease: String,
    extra: BTreeMap<(Role, String), String>,
    environment: BTreeMap<(Role, String), String>,
}

impl Fleet {
    /// Writes the files that the services read into the folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(stack: &Stack, folder: &Path, senders: Vec<SenderFile>) -> io::Result<Self> {
        let (files, codes) = (folder.join("senders"), folder.join("codes"));
        fs::create_dir_all(&files)?;
        for sender in &senders {
            fs::write(files.join(format!("{}.yaml", sender.name)), &sender.yaml)?;
        }
        fs::create_dir_all(&codes)?;
        for table in hospital::TABLES {
            fs::write(codes.join(table.file), table.csv)?;
        }
        fs::write(folder.join("token-secret"), SECRET)?;
        // A test's own program lies in target/<profile>/deps, any other beside the services.
        let own = std::env::current_exe()?;
        let depth = if own.parent().is_some_and(|folder| folder.ends_with("deps")) { 2 } else { 1 };
        let programs = own.ancestors().nth(depth).unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            stack: stack.clone(),
            folder: folder.to_owned(),
            programs,
            senders,
            lease: "10s".to_owned(),
            extra: BTreeMap::new(),
            environment: BTreeMap::new(),
        })
    }

    /// How long lanes stay a stopped owner's.
    #[must_use]
    pub fn lease(mut self, lease: &str) -> Self {
        lease.clone_into(&mut self.lease);
        self
    }

    /// One more setting of one role, or another value of one.
    #[must_use]
    pub fn with(mut self, role: Role, setting: &str, value: &str) -> Self {
        self.extra.insert((role, setting.to_owned()), value.to_owned());
        self
    }

    /// One more setting of every role.
    #[must_use]
    pub fn with_all(mut self, setting: &str, value: &str) -> Self {
        self.extra.extend(Role::ALL.map(|role| ((role, setting.to_owned()), value.to_owned())));
        self
    }

    /// A variable that no setting is read from, for every process: the loader's, for instance.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        for role in Role::ALL {
            self = self.environment_of(role, name, value);
        }
        self
    }

    /// The same, for one role's processes.
    #[must_use]
    pub fn environment_of(mut self, role: Role, name: &str, value: &str) -> Self {
        self.environment.insert((role, name.to_owned()), value.to_owned());
        self
    }

    /// Where logs and files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a sender connects to.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn mllp(&self, name: &str) -> SocketAddr {
        let sender = self.senders.iter().find(|sender| sender.name == name);
        SocketAddr::from(([127, 0, 0, 1], sender.expect("a sender of this fleet").port))
    }

    /// Puts another text into a sender's file: it is taken up while the services run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rewrite_sender(&self, name: &str, yaml: &str) -> io::Result<()> {
        replace(&self.folder.join("senders").join(format!("{name}.yaml")), yaml)
    }

    /// Adds a table of codes to those that are imported.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_codes(&self, table: hospital::Table) -> io::Result<()> {
        replace(&self.folder.join("codes").join(table.file), table.csv)
    }

    /// A program of this workspace, with a service's settings: for what operators type.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Runs `vertebra contract apply`: topics and schemas are an operator's to make, never a service's.
    ///
    /// # Errors
    /// When the program is not built, or says no.
    pub fn apply_contract(&self) -> io::Result<()> {
        let mut command = Command::new(self.programs.join("vertebra"));
        command.args(["contract", "apply", "--replication", "1"]).env_clear();
        command.args(["--kafka-bootstrap", &self.stack.kafka, "--registry-url", &self.stack.registry_url]);
        let ended = command.output()?;
        let said = [ended.stdout, ended.stderr].concat();
        if ended.status.success() {
            Ok(())
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&said).into_owned()))
        }
    }

    /// Runs a role's program with a command of its own, to its end: whether it was content, and all that it said.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn run(&self, role: Role, arguments: &[&str]) -> io::Result<(bool, String)> {
        let launch = self.launch(role);
        let mut command = Command::new(&launch.program);
        command.args(arguments).env_clear();
        for (name, value) in &launch.settings {
            command.env(format!("VERTEBRA_{}", name.to_uppercase().replace('-', "_")), value);
        }
        let ended = command.output()?;
        let said = [ended.stdout, ended.stderr].concat();
        Ok((ended.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// How a role is started; each call is another instance, with a port of its own.
    pub fn launch(&self, role: Role) -> Launch {
        let (program, args) = role.program();
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
        set("kafka-bootstrap", self.stack.kafka.clone());
        set("registry-url", self.stack.registry_url.clone());
        if matches!(role, Role::Land | Role::Translate) {
            set("senders", self.folder.join("senders").display().to_string());
            set("token-secret-file", self.folder.join("token-secret").display().to_string());
        }
        if role != Role::Land {
            set("postgres-url", self.stack.postgres_url.clone());
            set("lease", self.lease.clone());
        }
        match role {
            Role::Bill => {
                set("bill-hold", "0s".to_owned());
                // Nobody here reads Odoo's items.
                set("known-items-only", "false".to_owned());
            }
            Role::Import => {
                set("codes", self.folder.join("codes").display().to_string());
            }
            Role::Poll => {
                set("poll-interval", "500ms".to_owned());
                set("odoo-calls-per-second", "100".to_owned());
            }
            Role::Write => {
                set("odoo-database-uuid", "any".to_owned());
            }
            Role::Land | Role::Translate => {}
        }
        if matches!(role, Role::Poll | Role::Write) {
            set("odoo-url", self.stack.odoo.url.clone());
            set("odoo-database", self.stack.odoo.database.clone());
            set("odoo-api-key-file", self.stack.odoo.key_file.display().to_string());
        }
        for ((of, name), value) in &self.extra {
            if *of == role {
                settings.insert(name.clone(), value.clone());
            }
        }
        let its = self.environment.iter().filter(|((of, _), _)| *of == role);
        let environment = its.map(|((_, name), value)| (name.clone(), value.clone())).collect();
        let http_port = Launch::free_port();
        Launch {
            name: format!("{}-{http_port}", role.name()),
            program: self.programs.join(program),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            settings,
            environment,
            http_port,
        }
    }

    /// Starts an instance of a role.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn start(&self, role: Role) -> io::Result<Process> {
        self.launch(role).start(&self.folder)
    }
}

/// Whoever watches the file never sees half of it.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, file)
}
