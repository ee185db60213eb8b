//! A world in which nothing has happened yet: empty topics, no ledgers, an Odoo of its own.

use crate::ground::Ground;
use crate::nemesis::{self, instance};
use crate::proxy::Proxy;
use crate::victim::Victim;
use crate::wait::{Deadline, until};
use backbone::kafka::Admin;
use canon::catalog::Catalog;
use harness::{Fleet, Launch, OdooAt, Role, SenderFile, Stack};
use odoo::fake::Server;
use odoo::seed::{Plan, seed};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// One world at a time: the topics' names are the catalog's, and parts of the stack go away.
static ONE: Mutex<()> = Mutex::const_new(());

/// Everything of one test.
pub struct World {
    /// The stack, with this world's database and Odoo.
    pub stack: Stack,
    /// The services' settings.
    pub fleet: Fleet,
    /// The Odoo they write to, where it is not the real one.
    pub odoo: Option<Server>,
    /// Copies that topics have.
    replication: u16,
    admin: Admin,
    folder: PathBuf,
    _one: MutexGuard<'static, ()>,
}

/// How a service is started, besides the usual.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    /// The fault it is armed with.
    pub fault: Option<&'a str>,
    /// Its lease, when not the shortest one.
    pub lease: Option<&'a str>,
    /// How many records it takes at most in one transaction, when not as many as there are.
    pub batch_max: Option<&'a str>,
    /// Its instance, when the test wants to know it.
    pub instance: Option<Uuid>,
}

impl World {
    /// Empties topics and database, makes an Odoo; nothing when no stack is named.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn fresh() -> Option<Self> {
        let mut stack = Stack::from_env()?;
        let one = ONE.lock().await;
        nemesis::repair().await;
        assert_ne!(instance(), "demo", "the topics and ledgers of a demonstration are not for tests");
        let folder = std::env::temp_dir().join(format!("vertebra-faults-{}", Uuid::new_v4().simple()));
        let odoo = fake_odoo(&folder, &mut stack).await;
        let world = Self::new(stack.clone(), &stack, folder, Some(odoo), 1, one).await;
        crate::say(format_args!("logs are in {}", world.folder.display()));
        Some(world)
    }

    /// Empties topics and database of a ground, for services that come to everything through its proxies. With them comes
    /// what stands in front of Odoo.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn on(ground: &Ground, folder: PathBuf, real_odoo: bool) -> (Self, Proxy) {
        let one = ONE.lock().await;
        let mut outside = ground.outside.clone();
        let (proxy, odoo) = if real_odoo {
            let (proxy, at) = ground.odoo().await.expect("the real odoo");
            outside.odoo = at;
            outside.seed_odoo().await.expect("a seeded odoo");
            (proxy, None)
        } else {
            let odoo = fake_odoo(&folder, &mut outside).await;
            let port = outside.odoo.url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let proxy = Proxy::start("odoo", 0, port.expect("a port")).await.expect("a proxy");
            (proxy, Some(odoo))
        };
        let url = format!("http://{}", proxy.address());
        let inside = Stack { odoo: OdooAt { url, ..outside.odoo.clone() }, ..ground.inside.clone() };
        let mut world = Self::new(outside, &inside, folder, odoo, ground.nodes, one).await;
        // Longer than what three brokers and six services on a small machine keep each other waiting.
        world.fleet = world.fleet.lease("6s");
        (world, proxy)
    }

    async fn new(
        stack: Stack,
        inside: &Stack,
        folder: PathBuf,
        odoo: Option<Server>,
        replication: u16,
        one: MutexGuard<'static, ()>,
    ) -> Self {
        let sender = SenderFile::small("hosp", Launch::free_port());
        let fleet = Fleet::new(inside, &folder, vec![sender]).expect("the services' files").lease("2s");
        let admin = Admin::new(&stack.kafka()).expect("a client");
        let world = Self { stack, fleet, odoo, replication, admin, folder, _one: one };
        world.empty().await;
        world
    }

    /// Where logs and files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where senders connect to.
    pub fn mllp(&self) -> SocketAddr {
        self.fleet.mllp("hosp")
    }

    /// Starts a service.
    pub fn start(&self, role: Role, start: &Start<'_>) -> Victim {
        let mut launch = self.fleet.launch(role);
        let mut set = |name: &str, value: String| launch.settings.insert(name.to_owned(), value);
        if let Some(fault) = start.fault {
            set("test-fault", fault.to_owned());
        }
        if let Some(lease) = start.lease {
            set("lease", lease.to_owned());
        }
        if let Some(batch_max) = start.batch_max {
            set("batch-max", batch_max.to_owned());
        }
        if let Some(instance) = start.instance {
            set("instance", instance.to_string());
        }
        Victim::start(&launch, &self.folder)
    }

    /// Starts a service and waits until it is ready.
    pub async fn ready(&self, role: Role) -> Victim {
        let mut victim = self.start(role, &Start::default());
        victim.until_ready().await;
        victim
    }

    /// Starts several services and waits until all are ready.
    pub async fn all_ready(&self, roles: &[Role]) -> BTreeMap<Role, Victim> {
        let mut all: BTreeMap<Role, Victim> =
            roles.iter().map(|role| (*role, self.start(*role, &Start::default()))).collect();
        for victim in all.values_mut() {
            victim.until_ready().await;
        }
        all
    }

    /// Another table of codes than the one that is imported now.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn change_codes(&self) {
        use std::sync::atomic::{AtomicU32, Ordering};
        static CHANGES: AtomicU32 = AtomicU32::new(0);
        let number = CHANGES.fetch_add(1, Ordering::Relaxed);
        let csv = format!(
            "table,sender,code,valid_from,valid_to,target,description,price,currency,unit,factor\n\
             charge,hosp,OTHER-{number},2020-01-01,,CON-001,Another code,1.00,USD,EA,1\n"
        );
        let folder = self.fleet.folder().join("codes");
        std::fs::write(folder.join("charge-other.new"), csv).expect("a file of codes");
        let (from, to) = (folder.join("charge-other.new"), folder.join("charge-other.csv"));
        std::fs::rename(from, to).expect("a file of codes");
    }

    /// Waits until the topics say of Odoo what Odoo has: `odoo-poller check`, as an operator types it.
    ///
    /// # Panics
    /// When they do not in time; with the rows that differ.
    pub async fn odoo_is_as_published(&self) {
        until("the topics say what odoo has", Deadline::secs(120), async || {
            let fleet = self.fleet.clone();
            match tokio::task::spawn_blocking(move || fleet.run(Role::Poll, &["check"])).await {
                Ok(Ok((true, _))) => Ok(()),
                Ok(Ok((false, said))) => Err(said),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// A connection to this world's database.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.stack.postgres_url, NoTls).await?;
        // Whoever uses the client is told of what goes wrong.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// Deletes a topic, and makes it again with this number of partitions.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn remake_topic(&self, topic: &str, partitions: u32) {
        self.forget_topics(&[topic]).await;
        let declared = Catalog::builtin().topic(topic).expect("a topic of the catalog");
        let made = self
            .admin
            .create_topic(topic, partitions, i32::from(self.replication), &declared.configs())
            .await;
        assert!(made.expect("a topic"), "{topic} was there");
        self.until_led(&[topic]).await;
    }

    /// Leaves nothing behind: empty topics, no ledgers, no logs. Called where a test went well; what one that failed
    /// leaves is there to be looked at.
    pub async fn end(self) {
        self.empty().await;
        std::fs::remove_dir_all(&self.folder).expect("the folder goes");
    }

    async fn empty(&self) {
        let client = self.connect().await.expect("the database answers");
        let dropped =
            client.batch_execute("DROP SCHEMA IF EXISTS code_importer, odoo_poller, ehr_adapter, billing_projector, odoo_writer CASCADE");
        dropped.await.expect("the ledgers go");
        let names: Vec<&str> = Catalog::builtin().topics().map(|topic| topic.name.as_str()).collect();
        self.forget_topics(&names).await;
        let launch = Launch {
            name: "contract".to_owned(),
            program: program("vertebra"),
            args: ["contract", "apply", "--replication", &self.replication.to_string()]
                .map(str::to_owned)
                .to_vec(),
            settings: BTreeMap::from([
                ("kafka-bootstrap".to_owned(), self.stack.kafka.clone()),
                ("registry-url".to_owned(), self.stack.registry_url.clone()),
            ]),
            environment: BTreeMap::new(),
            http_port: 0,
        };
        Victim::start(&launch, &self.folder).until_ended().await;
        self.until_led(&names).await;
    }

    async fn forget_topics(&self, names: &[&str]) {
        self.admin.delete_topics(names).await.expect("topics deleted");
        until("the topics are gone", Deadline::secs(30), async || {
            let there = self.admin.partitions().await.map_err(|error| error.to_string())?;
            match names.iter().filter(|name| there.contains_key(**name)).count() {
                0 => Ok(()),
                left => Err(format!("{left} are left")),
            }
        })
        .await;
    }

    async fn until_led(&self, names: &[&str]) {
        until("the topics have leaders", Deadline::secs(30), async || {
            for name in names {
                self.admin.held(name).await.map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        })
        .await;
    }
}

/// An Odoo of this world's own, with what the hospital's invoices need; the stack is told where it is.
async fn fake_odoo(folder: &Path, stack: &mut Stack) -> Server {
    std::fs::create_dir_all(folder).expect("a folder");
    let odoo = Server::start().await.expect("an odoo");
    let plan = Plan {
        currency: "USD".to_owned(),
        self_pay: "Self-pay".to_owned(),
        payers: harness::payers(),
        items: harness::products(),
    };
    seed(&odoo.client().expect("a client"), &plan).await.expect("a seeded odoo");
    let key_file = folder.join("odoo-key");
    std::fs::write(&key_file, odoo::fake::KEY).expect("the key's file");
    stack.odoo = OdooAt { url: odoo.url(), database: odoo::fake::DATABASE.to_owned(), key_file };
    odoo
}

/// A program of this workspace: built by the same command as this test, beside it.
pub(crate) fn program(name: &str) -> PathBuf {
    // A test's own program lies in target/<profile>/deps, that of the runs one folder higher.
    let own = std::env::current_exe().expect("this program's own path");
    let depth = if own.parent().is_some_and(|folder| folder.ends_with("deps")) { 2 } else { 1 };
    own.ancestors().nth(depth).unwrap_or(Path::new(".")).join(name)
}
