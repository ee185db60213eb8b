//! What people did to a service by hand, as events on `ops.audit.v1`: a source of every service with a ledger.
//!
//! Consumes the ledger's intents that have ended and are sealed; changes nothing.

use crate::audit::{self, Sealed};
use crate::postgres::{PostgresStore, look};
use crate::sink::Unavailable;
use crate::source::{Mark, Page, Source, SourceRow};
use canon::{Audit, Name, ServiceName};
use std::time::Duration;

/// How often it is looked whether a person did something.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// Records of one page at most.
const RECORDS_PER_PAGE: i64 = 500;

/// The source of every service with a ledger.
pub(crate) struct Audited {
    pub(crate) store: PostgresStore,
    pub(crate) service: ServiceName,
}

impl Source for Audited {
    const NAME: &'static str = audit::SOURCE;
    /// The place and the hash of the last record that was published.
    type Cursor = (i64, [u8; 32]);

    async fn next(&self, cursor: &Self::Cursor, _at: Mark) -> Result<Page<Self::Cursor>, Unavailable> {
        let sealed = look::sealed(&self.store, cursor.0, RECORDS_PER_PAGE).await;
        let sealed = sealed.map_err(Unavailable::because)?;
        let mut after = *cursor;
        let mut rows = Vec::new();
        for record in sealed {
            let previous_hash = std::mem::replace(&mut after, (record.seq, record.hash)).1;
            // A ledger that was restored goes on from an older record: its next one is another fact than the one that it forgot.
            let told = record.hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let place = record.seq.to_string();
            let name = Name::new("audit", &[self.service.to_string(), place.clone(), told]);
            let Sealed { actor, action, subject, reason, at, hash, .. } = record;
            let service = self.service.clone();
            let event = Audit { service, actor, action, subject, reason, at, previous_hash, hash };
            rows.push(SourceRow::new("intent", place).states(name, &self.service, event));
        }
        let page = Page::new(rows, after);
        Ok(if after == *cursor { page.then_wait(LOOKED_EVERY) } else { page })
    }
}
