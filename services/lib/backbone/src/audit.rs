//! What people did to a service by hand, one record sealing the next: pure.
//!
//! The ledger seals intents that have ended (`migrations/0007_audit.sql`); every service with a ledger publishes them
//! (`service/audited`). [`Chain`] holds records against their seals, wherever they were read.

use canon::Timestamp;
use sha2::{Digest, Sha256};

/// The source by which every service publishes them.
pub(crate) const SOURCE: &str = "audit";

/// A sealed record, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its place in the ledger's chain, from 1 on.
    pub seq: i64,
    /// Who did it.
    pub actor: String,
    /// What was done, in a word.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Its hash.
    pub hash: [u8; 32],
}

/// A record does not fit the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Its hash is not that of its content and of the record before it.
    #[error("record {seq} is not what was sealed, or does not follow the one before it")]
    Altered {
        /// Its place.
        seq: i64,
    },
    /// One is missing before it.
    #[error("record {seq} follows {before}: what was between them is gone")]
    Gap {
        /// Its place.
        seq: i64,
        /// The place of the one before it.
        before: i64,
    },
}

/// A chain of records of one service, held against their seals one after another.
#[derive(Clone, Debug)]
pub struct Chain {
    schema: String,
    seq: i64,
    hash: [u8; 32],
}

impl Chain {
    /// The beginning of a service's chain.
    pub fn of(service: &str) -> Self {
        Self { schema: service.replace('-', "_"), seq: 0, hash: [0; 32] }
    }

    /// How many records there were, and the last one's hash.
    pub fn head(&self) -> (i64, [u8; 32]) {
        (self.seq, self.hash)
    }

    /// The next record.
    ///
    /// # Errors
    /// It is not the one that was sealed after those before it.
    pub fn follow(&mut self, record: &Sealed) -> Result<(), Broken> {
        let Sealed { seq, actor, action, subject, reason, at, hash } = record;
        if *seq != self.seq + 1 {
            return Err(Broken::Gap { seq: *seq, before: self.seq });
        }
        let at = at.0.to_string();
        let text = text(&[&self.schema, actor, action, subject, reason, &at]);
        let sealed: [u8; 32] = Sha256::new().chain_update(self.hash).chain_update(text).finalize().into();
        if sealed != *hash {
            return Err(Broken::Altered { seq: *seq });
        }
        (self.seq, self.hash) = (*seq, *hash);
        Ok(())
    }
}

/// As the ledger's `audit_text` writes it: each field behind its length in bytes.
fn text(fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("{}:{field}", field.len())).collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(chain: &Chain, seq: i64, reason: &str) -> Sealed {
        let mut record = Sealed {
            seq,
            actor: "jo".to_owned(),
            action: "discard".to_owned(),
            subject: "hl7-translation/0 intent 7".to_owned(),
            reason: reason.to_owned(),
            at: Timestamp(5),
            hash: [0; 32],
        };
        let fields = ["ehr_adapter", "jo", "discard", "hl7-translation/0 intent 7", reason, "5"];
        record.hash = Sha256::new().chain_update(chain.hash).chain_update(text(&fields)).finalize().into();
        record
    }

    #[test]
    fn a_record_that_was_altered_taken_out_or_put_in_is_told() {
        let mut chain = Chain::of("ehr-adapter");
        let first = sealed(&chain, 1, "a reason");
        chain.follow(&first).unwrap();
        let second = sealed(&chain, 2, "another");
        let altered = Sealed { reason: "a better one".to_owned(), ..second.clone() };
        assert_eq!(chain.clone().follow(&altered), Err(Broken::Altered { seq: 2 }));
        assert_eq!(Chain::of("ehr-adapter").follow(&second), Err(Broken::Gap { seq: 2, before: 0 }));
        assert_eq!(Chain::of("other").follow(&first), Err(Broken::Altered { seq: 1 }));
        chain.follow(&second).unwrap();
        assert_eq!(chain.head(), (2, second.hash));
    }

    #[test]
    fn no_field_can_be_moved_into_its_neighbour() {
        assert_ne!(text(&["a", "b,1:c"]), text(&["a,1:b", "c"]));
        assert_eq!(text(&["ü", ""]), "2:ü,0:");
    }
}
