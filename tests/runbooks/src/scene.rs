//! What the incidents have in common: a small hospital, the services that a charge goes through, and the books.

use end_to_end::{drained, folder, seed};
use harness::{
    Books, Evidence, Fleet, History, Hospital, Launch, Plan, Process, Role, Sender, SenderFile, Stack, check,
    send_all,
};
use std::time::{Duration, SystemTime};
use tokio::sync::{Mutex, MutexGuard};

/// How long a service takes to start or to end, at most.
pub const READY: Duration = Duration::from_secs(60);
/// How long anything on its way takes to come to its end, at most.
pub const SETTLED: Duration = Duration::from_secs(300);

/// Held by the incident that happens: the ledgers are the stack's.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// A number of visits, or as many as an incident really has.
pub fn scaled(short: usize, long: usize) -> usize {
    if std::env::var_os("VERTEBRA_TEST_LONG").is_some() { long } else { short }
}

/// A small hospital, and what it needs.
pub struct Scene {
    /// Where everything is.
    pub stack: Stack,
    /// Its first day.
    pub hospital: Hospital,
    /// The services.
    pub fleet: Fleet,
    _alone: MutexGuard<'static, ()>,
}

/// The services that run.
pub struct Services {
    /// Each of them.
    pub processes: Vec<Process>,
    /// What came of everything.
    pub books: Books,
}

impl Scene {
    /// Everything but the services; nothing where no stack is named.
    ///
    /// # Panics
    /// When something cannot be set up.
    pub async fn set(name: &str, visits: usize) -> Option<Self> {
        let stack = Stack::from_env()?;
        let alone = ALONE.lock().await;
        let seed = seed();
        let hospital = day(&format!("{name}-{seed}"), seed, visits);
        let file = SenderFile::small(hospital.sender(), Launch::free_port());
        let fleet = Fleet::new(&stack, &folder(name, seed), vec![file]).expect("its files");
        fleet.apply_contract().expect("topics and schemas");
        stack.seed_odoo().await.expect("partners and products");
        Some(Self { stack, hospital, fleet, _alone: alone })
    }

    /// The services that a charge goes through.
    ///
    /// # Panics
    /// When one does not start.
    pub async fn services(&self) -> Services {
        let start = |role: Role| self.fleet.start(role).unwrap_or_else(|error| panic!("{error}"));
        let mut processes: Vec<Process> = Role::WAY.into_iter().map(start).collect();
        for process in &mut processes {
            process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
        }
        Services { processes, books: Books::open(&self.stack).await.expect("the books") }
    }

    /// A second day of the same sender's.
    ///
    /// # Panics
    /// When the clock stands before 1970.
    pub fn another_day(&self, visits: usize) -> Hospital {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        day(self.hospital.sender(), 1_000_000_000 + now.as_secs(), visits)
    }

    /// A whole day, over three connections.
    ///
    /// # Panics
    /// When a message is not acknowledged.
    pub async fn sent(&self, hospital: &Hospital) -> History {
        let address = self.fleet.mllp(self.hospital.sender());
        let (history, errors) = send_all(hospital.streams(3), || Sender::new(address)).await;
        assert!(errors.is_empty(), "{errors:?}");
        history
    }
}

fn day(sender: &str, seed: u64, visits: usize) -> Hospital {
    let sender = sender.to_owned();
    Hospital::day(Plan { seed, visits, charges: (1, 5), finished_of_ten: 10, twice_of_hundred: 0, sender })
}

impl Services {
    /// One of them.
    ///
    /// # Panics
    /// When it was not started.
    pub fn of(&self, role: Role) -> &Process {
        let name = role.name();
        self.processes.iter().find(|process| process.name().starts_with(name)).expect("it was started")
    }

    /// Waits until nothing is on its way.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn settled(&self) {
        let settled = self.books.settle(SETTLED, |_| {}).await.expect("everybody can be asked");
        settled.unwrap_or_else(|unsettled| panic!("{unsettled}"));
    }

    /// Every charge that was acknowledged is on one invoice line, and nothing else is.
    ///
    /// # Panics
    /// When the books do not balance.
    pub async fn balanced(&self, hospital: &Hospital, history: &History) -> Evidence {
        self.balanced_but(hospital, history, |_| false).await
    }

    /// The same, but for differences that the incident explains.
    ///
    /// # Panics
    /// When the books do not balance.
    pub async fn balanced_but(
        &self,
        hospital: &Hospital,
        history: &History,
        is_explained: impl Fn(&harness::Difference) -> bool,
    ) -> Evidence {
        self.settled().await;
        let evidence = self.books.read().await.expect("everything can be read");
        let found = check(hospital, history, &evidence).into_iter().filter(|one| !is_explained(one));
        let told: Vec<String> = found.map(|one| one.to_string()).collect();
        assert!(told.is_empty(), "the books do not balance:\n{}", told.join("\n"));
        evidence
    }

    /// Ends it, and forgets what only a failure needs.
    ///
    /// # Panics
    /// When a service does not end.
    pub async fn over(mut self, scene: &Scene) {
        drained(&mut self.processes).await;
        std::fs::remove_dir_all(scene.fleet.folder()).expect("the folder goes when all went well");
    }
}
