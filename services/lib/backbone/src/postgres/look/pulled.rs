//! What sources have pulled, by kind, and what they ask a person.

use super::read;
use crate::postgres::PostgresStore;
use crate::postgres::wire::Ask;
use crate::source::Hold;
use crate::store::StoreError;
use canon::time::Timestamp;

/// A kind of rows that a source knows, and what it asks about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSeen {
    /// The source.
    pub source: String,
    /// The kind; nothing when the source knows no row yet.
    pub kind: Option<String>,
    /// Rows that are known to be there.
    pub rows: i64,
    /// Those of them that could not be stated when they were seen last.
    pub refused: i64,
    /// What a person is asked.
    pub hold: Option<Hold>,
}

/// What sources know, by source and kind. One that has no page yet is not there.
pub async fn pulled(store: &PostgresStore) -> Result<Vec<SourceSeen>, StoreError> {
    let sql = "WITH known AS (SELECT source, kind, count(*) AS all_rows, count(refused_reason) AS refused
            FROM source_row GROUP BY 1, 2),
        kinds AS (SELECT source, kind FROM known UNION SELECT source, kind FROM source_hold
            UNION SELECT source, NULL FROM source_cursor c
                WHERE NOT EXISTS (SELECT 1 FROM source_row r WHERE r.source = c.source)
                AND NOT EXISTS (SELECT 1 FROM source_hold h WHERE h.source = c.source))
        SELECT source, kind, coalesce(all_rows, 0), coalesce(refused, 0),
            h.gone, coalesce(h.known, 0), coalesce(h.asked_at_us, 0), h.approved
        FROM kinds LEFT JOIN known USING (source, kind) LEFT JOIN source_hold h USING (source, kind) ORDER BY 1, 2";
    read(store, Ask::new(sql), |row| {
        let hold = match row.try_get(4)? {
            None => None,
            Some(gone) => Some(Hold {
                gone,
                known: row.try_get(5)?,
                asked_at: Timestamp(row.try_get(6)?),
                approved: row.try_get(7)?,
            }),
        };
        let (rows, refused) = (row.try_get(2)?, row.try_get(3)?);
        Ok(SourceSeen { source: row.try_get(0)?, kind: row.try_get(1)?, rows, refused, hold })
    })
    .await
}
