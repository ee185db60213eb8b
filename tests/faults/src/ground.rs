//! The copy of the stack that runs are made on: a cluster of Kafka behind proxies, PostgreSQL behind one, small file systems
//! where the machine allows them.
//!
//! Consumes `scripts/stack`; starts what it names, and forwards to it what services say.

use crate::nemesis::instance;
use crate::proxy::Proxy;
use harness::{OdooAt, Stack};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a node's data may grow to. Segments' indexes are made at their full size and hold nothing yet.
const BROKER_DISK: &str = "size=600m";
/// What the database may grow to: Odoo's, ours, and a gigabyte of write-ahead log.
const DATABASE_DISK: &str = "size=1600m";

/// The stack, and everything between it and the services.
#[derive(Debug)]
pub struct Ground {
    /// Where what checks asks: directly.
    pub outside: Stack,
    /// Where services are sent: through the proxies. Odoo is whatever the run has.
    pub inside: Stack,
    /// In front of each broker, for clients; none where Kafka is not made for it.
    pub clients: Vec<Proxy>,
    /// In front of each broker, for the others.
    pub brokers: Vec<Proxy>,
    /// In front of PostgreSQL.
    pub postgres: Proxy,
    /// How many brokers there are.
    pub nodes: u16,
    /// The instance's folder.
    pub folder: PathBuf,
    variables: BTreeMap<String, String>,
    /// Whether it is another time for PostgreSQL.
    is_shifted: AtomicBool,
    /// Whether a copy of the real Odoo's database was kept, as it was before the first run.
    is_odoo_kept: AtomicBool,
}

/// What takes all room of a disk.
pub(crate) const BALLAST: &str = "ballast";

/// Where a small file system is, or why there is none.
pub type Disk = Result<PathBuf, &'static str>;

impl Ground {
    /// Starts the stack, with what is to stand in front of it.
    ///
    /// # Errors
    /// When a port is taken or the stack does not start.
    pub async fn start() -> io::Result<Self> {
        let (mut clients, mut brokers) = (Vec::new(), Vec::new());
        let before = variables()?;
        for forward in before.get("VERTEBRA_STACK_FORWARDS").map_or("", String::as_str).split(',') {
            let parts: Vec<&str> = forward.split(':').collect();
            let [name, listen, target] = parts[..] else { continue };
            let proxy = Proxy::start(name, port(listen)?, port(target)?).await?;
            if name.ends_with("-clients") { &mut clients } else { &mut brokers }.push(proxy);
        }
        let folder = folder();
        small_disks(&folder)?;
        stack(&["up", "kafka", "registry", "postgres"])?;
        let variables = variables()?;
        if variables.get("VERTEBRA_KAFKA") != before.get("VERTEBRA_KAFKA") {
            return Err(io::Error::other("the stack took other ports than were free a moment ago"));
        }
        Self::of(variables, folder, clients, brokers).await
    }

    /// The stack that the tests are on already: nothing stands in front of its Kafka.
    ///
    /// # Errors
    /// When it does not say where it is.
    pub async fn given() -> io::Result<Self> {
        Self::of(variables()?, folder(), Vec::new(), Vec::new()).await
    }

    async fn of(
        variables: BTreeMap<String, String>,
        folder: PathBuf,
        clients: Vec<Proxy>,
        brokers: Vec<Proxy>,
    ) -> io::Result<Self> {
        let told = |name: &str| {
            let value = variables.get(name).cloned();
            value.ok_or_else(|| io::Error::other(format!("scripts/stack env does not tell {name}")))
        };
        let (kafka, postgres_url) = (told("VERTEBRA_KAFKA")?, told("VERTEBRA_POSTGRES_URL")?);
        let outside = Stack {
            registry_url: told("VERTEBRA_REGISTRY_URL")?,
            odoo: OdooAt {
                url: told("VERTEBRA_ODOO_URL")?,
                database: told("VERTEBRA_ODOO_DB")?,
                key_file: told("VERTEBRA_ODOO_KEY_FILE")?.into(),
            },
            kafka,
            postgres_url,
        };
        let at = url_port(&outside.postgres_url)?;
        let postgres = Proxy::start("postgres", 0, at).await?;
        let through = postgres.address().port();
        let inside = Stack {
            kafka: variables.get("VERTEBRA_STACK_KAFKA_PROXIED").unwrap_or(&outside.kafka).clone(),
            postgres_url: outside.postgres_url.replace(&format!(":{at}/"), &format!(":{through}/")),
            ..outside.clone()
        };
        let nodes = u16::try_from(outside.kafka.split(',').count()).unwrap_or(1);
        Ok(Self {
            outside,
            inside,
            clients,
            brokers,
            postgres,
            nodes,
            folder,
            variables,
            is_shifted: AtomicBool::new(false),
            is_odoo_kept: AtomicBool::new(false),
        })
    }

    /// Starts the real Odoo, and says what stands in front of it and where it is to be asked. On a stack of its own each run finds
    /// it as the first one did: what others had made there would be read by each poller, and a seed would not repeat.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn odoo(&self) -> io::Result<(Proxy, OdooAt)> {
        let is_kept = self.is_odoo_kept.load(Ordering::SeqCst);
        stack(&[if is_kept { "restore" } else { "up" }, "odoo"])?;
        if !self.clients.is_empty() {
            stack(&["save", "odoo"])?;
            self.is_odoo_kept.store(true, Ordering::SeqCst);
        }
        let at = &self.outside.odoo;
        let proxy = Proxy::start("odoo", 0, url_port(&at.url)?).await?;
        Ok((proxy, at.clone()))
    }

    /// PostgreSQL is started again, and it is so much later for it than for everybody else: `+600s`, `-600s`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn shift_postgres(&self, later: &str) -> io::Result<()> {
        self.is_shifted.store(true, Ordering::SeqCst);
        let mut restart = Command::new(script());
        restart.args(["restart", "postgres", "--instance", &instance()]);
        run(restart.env("VERTEBRA_POSTGRES_CLOCK", later))
    }

    /// It is as late for PostgreSQL as for everybody else. Nobody may hold a lease.
    ///
    /// # Errors
    /// When it does not start.
    pub fn unshift_postgres(&self) -> io::Result<()> {
        if self.is_shifted.swap(false, Ordering::SeqCst) {
            stack(&["restart", "postgres"])?;
        }
        Ok(())
    }

    /// Brings back what a run that came to no end has left away.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn repair(&self) -> io::Result<()> {
        crate::nemesis::repair().await;
        let disks = (1..=3).map(|node| self.broker_disk(node)).chain([self.database_disk()]);
        for disk in disks.flatten() {
            // Room again, where a scenario ended before it gave it back.
            let _ = std::fs::remove_file(disk.join(BALLAST));
        }
        stack(&["up", "kafka", "registry", "postgres"])
    }

    /// A connection string of Odoo's own database.
    pub fn odoo_database(&self) -> Option<&str> {
        self.variables.get("VERTEBRA_STACK_ODOO_POSTGRES_URL").map(String::as_str)
    }

    /// Nothing is in anybody's way any more.
    pub fn open(&self) {
        self.clients.iter().chain(&self.brokers).chain([&self.postgres]).for_each(Proxy::open);
    }

    /// Where a broker listens itself.
    ///
    /// # Panics
    /// When there is none of that number.
    pub fn broker_port(&self, node: u8) -> u16 {
        let its = self.outside.kafka.split(',').nth(usize::from(node) - 1);
        its.and_then(|address| url_port(address).ok()).expect("a broker of this cluster")
    }

    /// A broker's data, where they lie on a small file system.
    pub fn broker_disk(&self, node: u8) -> Disk {
        mounted(self.folder.join(format!("kafka-{node}/data")))
    }

    /// The database's.
    pub fn database_disk(&self) -> Disk {
        let told = std::fs::read_to_string(self.folder.join("postgres/data-folder"));
        mounted(told.map_err(|_| NO_DISK)?.trim().into())
    }
}

const NO_DISK: &str = "no small file system could be mounted here: that takes root";

/// Stops an instance; its data stay, to be looked at.
///
/// # Errors
/// When it does not stop.
pub fn down() -> io::Result<()> {
    stack(&["down"])
}

/// Stops and forgets an instance, small file systems included.
///
/// # Errors
/// When it does not go.
pub fn wipe() -> io::Result<()> {
    stack(&["wipe"])
}

/// Where data will lie, before anything does.
fn small_disks(folder: &Path) -> io::Result<()> {
    // What is there already was made with them or without.
    if folder.join("base-port").exists() || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    for node in 1..=3 {
        let data = folder.join(format!("kafka-{node}/data"));
        std::fs::create_dir_all(&data)?;
        mount(BROKER_DISK, &data)?;
    }
    let database = PathBuf::from(format!("/var/tmp/vertebra-postgres.{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&database)?;
    mount(DATABASE_DISK, &database)?;
    // The server runs as somebody else, who is made when it is installed.
    let user = Command::new("id").arg("postgres").output().is_ok_and(|ran| ran.status.success());
    run(Command::new("chown").arg(if user { "postgres:postgres" } else { "nobody:nogroup" }).arg(&database))?;
    run(Command::new("chmod").arg("700").arg(&database))?;
    std::fs::create_dir_all(folder.join("postgres"))?;
    std::fs::write(folder.join("postgres/data-folder"), format!("{}\n", database.display()))
}

/// In memory: fast, small, and gone with the mount. Where none may be mounted, disks are as large as they are.
fn mount(size: &str, at: &Path) -> io::Result<()> {
    let mounting =
        Command::new("mount").args(["-t", "tmpfs", "-o", size, "vertebra-faults"]).arg(at).output();
    mounting.map(drop)
}

fn mounted(at: PathBuf) -> Disk {
    let told = std::fs::read_to_string("/proc/self/mounts").map_err(|_| NO_DISK)?;
    let there = told.lines().filter_map(|line| line.split(' ').nth(1)).any(|point| Path::new(point) == at);
    if there { Ok(at) } else { Err(NO_DISK) }
}

/// Runs `scripts/stack` on the tests' instance; what it says is the run's.
///
/// # Errors
/// When it fails.
pub(crate) fn stack(arguments: &[&str]) -> io::Result<()> {
    run(Command::new(script()).args(arguments).args(["--instance", &instance()]))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {told}")))
}

/// What `scripts/stack env` prints.
fn variables() -> io::Result<BTreeMap<String, String>> {
    let output = Command::new(script()).args(["env", "--instance", &instance()]).output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let assignment = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        // The shell's way to say that a sign means itself.
        Some((name.to_owned(), value.replace('\\', "")))
    };
    Ok(told.lines().filter_map(assignment).collect())
}

pub(crate) fn script() -> PathBuf {
    root().join("scripts/stack")
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where instances live.
pub fn home() -> PathBuf {
    crate::nemesis::variable("VERTEBRA_HOME").map_or_else(|| root().join(".run"), PathBuf::from)
}

fn folder() -> PathBuf {
    home().join(instance())
}

fn port(text: &str) -> io::Result<u16> {
    text.parse().map_err(|_| io::Error::other(format!("`{text}` is no port")))
}

/// The port in an address such as `http://127.0.0.1:8069` or `postgres://u:p@127.0.0.1:5432/d`.
fn url_port(url: &str) -> io::Result<u16> {
    let after = url.rsplit_once(':').map_or("", |(_, after)| after);
    port(after.split('/').next().unwrap_or_default())
}
