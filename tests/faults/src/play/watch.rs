//! What is looked at all through a run, from outside: positions and epochs in every ledger, which may only rise (I5, I6).
//!
//! A look that fails says nothing: what is looked at is killed now and then.

use harness::Stack;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// The schemas of services that read topics.
pub(super) const SCHEMAS: [&str; 3] = ["ehr_adapter", "billing_projector", "odoo_writer"];

/// By schema, processor, lane and topic; an epoch's topic is empty.
type Marks = BTreeMap<(&'static str, String, i32, String), i64>;

/// Somebody who looks.
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    looking: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    positions: Marks,
    epochs: Marks,
    looks: usize,
    away: bool,
    /// How often it was told to look away or again: what a look began to see before is of another time.
    turned: usize,
    back: Vec<String>,
}

impl Watch {
    /// Begins.
    pub fn start(stack: &Stack) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let looking = tokio::spawn(look(stack.postgres_url.clone(), Arc::clone(&seen)));
        Self { seen, looking }
    }

    /// Looks away: a person lets the ledgers go back.
    pub fn looks_away(&self) {
        lock(&self.seen).turns(true);
    }

    /// Looks again, from where they are now.
    pub fn looks_again(&self) {
        let mut seen = lock(&self.seen);
        seen.positions.clear();
        seen.epochs.clear();
        seen.turns(false);
    }

    /// How often it looked, what went back (I5) and which epochs did (I6).
    pub fn told(&self) -> (usize, Vec<String>) {
        let seen = lock(&self.seen);
        (seen.looks, seen.back.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look(url: String, seen: Arc<Mutex<Seen>>) {
    let mut client: Option<Client> = None;
    loop {
        if client.is_none()
            && let Ok((made, connection)) = tokio_postgres::connect(&url, NoTls).await
        {
            // Whoever uses the client is told of what goes wrong.
            tokio::spawn(async move { drop(connection.await) });
            client = Some(made);
        }
        if let Some(asked) = &client {
            let turned = lock(&seen).turned;
            match once(asked).await {
                Ok((positions, epochs)) if lock(&seen).turned == turned => {
                    lock(&seen).take(positions, epochs)
                }
                Ok(_) => {}
                Err(_) => client = None,
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn once(client: &Client) -> Result<(Marks, Marks), tokio_postgres::Error> {
    let (mut positions, mut epochs) = (Marks::new(), Marks::new());
    for schema in SCHEMAS {
        let table = format!("{schema}.position");
        let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
        if !there.get::<_, bool>(0) {
            continue;
        }
        let sql = format!("SELECT processor, lane, topic, next FROM {schema}.position");
        for row in client.query(&sql, &[]).await? {
            positions.insert((schema, row.get(0), row.get(1), row.get(2)), row.get(3));
        }
        let sql = format!("SELECT processor, lane, epoch FROM {schema}.lane");
        for row in client.query(&sql, &[]).await? {
            epochs.insert((schema, row.get(0), row.get(1), String::new()), row.get(2));
        }
    }
    Ok((positions, epochs))
}

impl Seen {
    fn turns(&mut self, away: bool) {
        self.away = away;
        self.turned += 1;
    }

    fn take(&mut self, positions: Marks, epochs: Marks) {
        if self.away {
            return;
        }
        self.looks += 1;
        self.back.extend(went_back("the position", &self.positions, &positions));
        self.back.extend(went_back("the epoch", &self.epochs, &epochs));
        self.positions.extend(positions);
        self.epochs.extend(epochs);
    }
}

fn went_back(what: &str, before: &Marks, now: &Marks) -> Vec<String> {
    let lower = now.iter().filter_map(|(key, is)| Some((key, is, before.get(key).filter(|was| *was > is)?)));
    let told = lower.map(|((schema, processor, lane, topic), is, was)| {
        format!("{what} of {schema} {processor} lane {lane} {topic} went back from {was} to {is}")
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(next: i64) -> Marks {
        [(("ehr_adapter", "p".to_owned(), 0, "t".to_owned()), next)].into()
    }

    #[test]
    fn what_goes_back_is_told_unless_it_was_let() {
        let mut seen = Seen::default();
        seen.take(marks(3), marks(1));
        seen.take(marks(3), marks(2));
        assert_eq!(seen.back, [""; 0]);
        seen.take(marks(2), marks(2));
        assert_eq!(seen.back, ["the position of ehr_adapter p lane 0 t went back from 3 to 2"]);
        assert_eq!(seen.looks, 3);
        seen.away = true;
        seen.take(marks(1), marks(2));
        assert_eq!(seen.back.len(), 1);
    }
}
