//! Master data beside a fold: the latest value of each key of a compacted topic, as of one moment.
//!
//! The ledger keeps every value that a table's topic ever had, in one order over all tables of the service. A batch
//! looks its tables up as of one place in that order, and the journal records which: a rebuild sees what the batch saw,
//! whatever the table says by then.

use crate::contract::Schemas;
use crate::reject::{Reason, Reject, Waits};
use canon::event::Event;
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One value of a table's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Its place among all rows of the service's tables; a lower one is never committed later.
    pub seq: i64,
    /// The table's topic.
    pub topic: String,
    /// The key.
    pub key: String,
    /// The version that its producer gave it.
    pub version: i64,
    /// The value as it was published; nothing is a tombstone.
    pub wire: Option<Vec<u8>>,
}

/// Why a table has nothing under a key.
///
/// As a [`Reject`] it parks the input, and the inputs of its key behind it, until a record of that very key comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It was there and was taken back.
    Gone {
        /// The table's topic.
        topic: &'static str,
        /// The key.
        key: String,
    },
    /// It was never there.
    Missing {
        /// The table's topic.
        topic: &'static str,
        /// The key.
        key: String,
    },
    /// The value cannot be read, or the table was not declared with `knows`.
    Unusable(Reject),
}

impl From<Absent> for Reject {
    fn from(absent: Absent) -> Self {
        let (reason, how, topic, key) = match absent {
            Absent::Gone { topic, key } => (Reason::Gone, "is no longer", topic, key),
            Absent::Missing { topic, key } => (Reason::Missing, "is not", topic, key),
            Absent::Unusable(reject) => return reject,
        };
        let waits_for = vec![Waits { topic: topic.to_owned(), key: key.clone() }];
        Self { waits_for, ..Self::new(reason, format!("{key} {how} in {topic}; waits until it is")) }
    }
}

/// The tables of a service as of one place in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    upto: i64,
    /// How often a process had forgotten its tables before this one was begun.
    era: u64,
    rows: HashMap<String, HashMap<String, Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    wire: Option<Arc<[u8]>>,
    /// The value decoded, once somebody asked for it.
    decoded: Arc<OnceLock<Result<Arc<dyn Any + Send + Sync>, Reject>>>,
}

impl Book {
    /// The place up to which rows are in it.
    pub(crate) fn upto(&self) -> i64 {
        self.upto
    }

    /// Takes rows over in their order. Those that are in it already are passed over.
    pub(crate) fn extend(&mut self, rows: &[TableRow]) {
        for row in rows {
            if row.seq <= self.upto {
                continue;
            }
            self.upto = row.seq;
            let entry = Entry { wire: row.wire.as_deref().map(Arc::from), decoded: Arc::default() };
            match self.rows.get_mut(&row.topic) {
                Some(keys) => drop(keys.insert(row.key.clone(), entry)),
                None => drop(self.rows.insert(row.topic.clone(), HashMap::from([(row.key.clone(), entry)]))),
            }
        }
    }

    pub(crate) fn lookup<E: Event>(&self, key: &E::Key, schemas: &Schemas) -> Result<Arc<E>, Absent> {
        let topic = E::TOPIC;
        let key = key.to_string();
        let Some(entry) = self.rows.get(topic).and_then(|keys| keys.get(&key)) else {
            return Err(Absent::Missing { topic, key });
        };
        let Some(wire) = &entry.wire else { return Err(Absent::Gone { topic, key }) };
        let decoded = entry.decoded.get_or_init(|| {
            let event: E = schemas.decode(wire)?;
            Ok(Arc::new(event) as Arc<dyn Any + Send + Sync>)
        });
        let wrong = || Reject::new(Reason::Decode, format!("{topic} holds another type"));
        match decoded {
            Ok(event) => event.clone().downcast::<E>().map_err(|_| Absent::Unusable(wrong())),
            Err(reject) => Err(Absent::Unusable(reject.clone())),
        }
    }
}

/// The tables of a process: the book that its lanes share, and whether something was added to the ledger's.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    book: Mutex<Arc<Book>>,
    stirred: AtomicU64,
}

impl Shelf {
    /// The book as it is.
    pub(crate) fn book(&self) -> Arc<Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds rows that are committed, and follow on a book. Where all was forgotten since that was read, they are not for the
    /// others: without what was before them they would be taken for all there is.
    pub(crate) fn extend(&self, read: Arc<Book>, rows: &[TableRow]) -> Arc<Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.era != read.era {
            let mut own = Arc::unwrap_or_clone(read);
            own.extend(rows);
            return Arc::new(own);
        }
        // Not to be copied on its account.
        drop(read);
        Arc::make_mut(&mut book).extend(rows);
        book.clone()
    }

    /// Forgets the book: the ledger went back in time, and may give the same places to other rows.
    pub(crate) fn clear(&self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        *book = Arc::new(Book { era: book.era + 1, ..Book::default() });
    }

    /// This process added rows to the ledger.
    pub(crate) fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    /// Another number whenever this process added rows.
    pub(crate) fn stirred(&self) -> u64 {
        self.stirred.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seqs: std::ops::RangeInclusive<i64>) -> Vec<TableRow> {
        let row = |seq: i64| TableRow {
            seq,
            topic: "items".to_owned(),
            key: seq.to_string(),
            version: 1,
            wire: None,
        };
        seqs.map(row).collect()
    }

    #[test]
    fn what_follows_on_a_book_that_was_forgotten_is_not_taken_for_all_there_is() {
        let shelf = Shelf::default();
        let read = shelf.extend(shelf.book(), &rows(1..=3));
        shelf.clear();
        let own = shelf.extend(read, &rows(4..=4));
        assert_eq!((own.upto(), own.rows["items"].len()), (4, 4), "whoever read it goes on with what it has");
        assert_eq!(shelf.book().upto(), 0, "the others read from the beginning");
        let anew = shelf.extend(shelf.book(), &rows(1..=4));
        assert_eq!((anew.upto(), anew.rows["items"].len()), (4, 4));
    }
}
