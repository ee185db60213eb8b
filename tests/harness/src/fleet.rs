//! The services of the charge's way, as they are started for a test: settings that agree with each other.

use crate::process::{Launch, Process};
use crate::stack::Stack;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the processes that a charge goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
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
    /// All, in the charge's order.
    pub const ALL: [Self; 4] = [Self::Land, Self::Translate, Self::Bill, Self::Write];

    fn program(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Land => ("ehr-adapter", &["land"]),
            Self::Translate => ("ehr-adapter", &["translate"]),
            Self::Bill => ("billing-projector", &[]),
            Self::Write => ("odoo-writer", &[]),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Land => "ehr-adapter-land",
            Self::Translate => "ehr-adapter-translate",
            Self::Bill => "billing-projector",
            Self::Write => "odoo-writer",
        }
    }
}

/// The file of the one sender that a hospital is.
#[derive(Clone, Debug)]
pub struct SenderFile {
    /// The sender's name.
    pub name: String,
    /// The port of 127.0.0.1 it connects to.
    pub port: u16,
}

impl SenderFile {
    /// The file's text: what [`Hospital`](crate::Hospital) writes its messages by.
    pub fn yaml(&self) -> String {
        let Self { name, port } = self;
        format!(
            "name: {name}\nlisten: 127.0.0.1:{port}\ntime_zone: UTC\ncurrency: USD\nprocessing: [P]\n\
             patient_authority: LAKESIDE\nvisit_authority: LAKESIDE\n"
        )
    }
}

/// All services of one test, on one stack, with one folder for their logs and files.
#[derive(Clone, Debug)]
pub struct Fleet {
    stack: Stack,
    folder: PathBuf,
    programs: PathBuf,
    sender: SenderFile,
    lease: String,
    extra: BTreeMap<(Role, String), String>,
}

impl Fleet {
    /// Writes the files that the services read into the folder. The tokens' secret is the same for every fleet: one
    /// stack's topics are of one secret.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(stack: &Stack, folder: &Path, sender: SenderFile) -> io::Result<Self> {
        let senders = folder.join("senders");
        fs::create_dir_all(&senders)?;
        fs::write(senders.join(format!("{}.yaml", sender.name)), sender.yaml())?;
        fs::write(folder.join("token-secret"), "a secret of tests, for topics of tests only")?;
        // The test's own program lies in target/<profile>/deps.
        let own = std::env::current_exe()?;
        let programs = own.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            stack: stack.clone(),
            folder: folder.to_owned(),
            programs,
            sender,
            lease: "10s".to_owned(),
            extra: BTreeMap::new(),
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

    /// Where logs and files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the sender connects to.
    pub fn mllp(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.sender.port)
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
            }
            Role::Write => {
                set("odoo-url", self.stack.odoo.url.clone());
                set("odoo-database", self.stack.odoo.database.clone());
                set("odoo-database-uuid", "any".to_owned());
                set("odoo-api-key-file", self.stack.odoo.key_file.display().to_string());
            }
            Role::Land | Role::Translate => {}
        }
        for ((of, name), value) in &self.extra {
            if *of == role {
                settings.insert(name.clone(), value.clone());
            }
        }
        let http_port = Launch::free_port();
        Launch {
            name: format!("{}-{http_port}", role.name()),
            program: self.programs.join(program),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            settings,
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
