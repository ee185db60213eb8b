//! Reading a model's changes without losing or doubling a row: windows of `write_date`, paged by id.
//!
//! Odoo's `write_date` is the start of the transaction that wrote, so a long one comes to light behind a cursor that has
//! moved on. Therefore: a window is fixed before its first page (`low <= write_date < high`, and within it `id > last`, in
//! the order of ids), and the next one begins an overlap before this one's end. The overlap is to be longer than any
//! transaction of Odoo's; what is later still is found by [`sweep`]. Rows are seen again and again for as long as the overlap
//! lasts: the reader drops those whose content it knows, never by their `write_date`, which a write without a change moves.
//!
//! [`Cursor`] is plain data and plain functions; [`page`] and [`sweep`] ask one page of Odoo.

use crate::{Client, Context, Error, Search};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Odoo tells its time in whole seconds: a window ends with the second that is not over yet.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How far a model has been read. The default is: not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The next window begins here; none: at the beginning of all time.
    low: Option<Timestamp>,
    /// The window that is being read.
    open: Option<Open>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    high: Timestamp,
    last: i64,
}

/// What is read of a model.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// Such as `product.product`.
    pub model: &'a str,
    /// Which of its records: a domain, in which every condition holds.
    pub domain: Vec<Value>,
    /// The fields to read; `id` always comes along.
    pub fields: &'a [&'a str],
    /// Companies, language.
    pub context: &'a Context,
    /// Rows of a page at most.
    pub limit: u32,
}

/// A row that has an id.
pub trait Row: DeserializeOwned {
    /// Its id in the database.
    fn id(&self) -> i64;
}

impl Cursor {
    /// The first window begins there: what is older is known otherwise.
    pub fn since(low: Timestamp) -> Self {
        Self { low: Some(low), open: None }
    }

    /// Where the window that is being read, or the next one, begins; none: at the beginning of all time.
    pub fn low(&self) -> Option<Timestamp> {
        self.low
    }

    /// The next window begins there, unless it would begin earlier. One that is being read is read on.
    pub fn back_to(self, low: Timestamp) -> Self {
        match self.open {
            Some(_) => self,
            None => Self { low: self.low.map(|before| before.min(low)), open: None },
        }
    }

    /// A window up to Odoo's own time is fixed, if none is being read. A clock that was set back is followed.
    pub fn begin(self, clock: Timestamp, overlap: SignedDuration) -> Self {
        if self.open.is_some() {
            return self;
        }
        let low = self.low.map(|low| low.min(before(clock, overlap)));
        let high = clock.saturating_add(SECOND).unwrap_or(Timestamp::MAX);
        Self { low, open: Some(Open { high, last: 0 }) }
    }

    /// Whether a window is being read: its next page needs no clock.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The conditions of the next page; none while no window is fixed.
    pub fn domain(&self) -> Option<Vec<Value>> {
        let open = self.open.as_ref()?;
        let high = json!(["write_date", "<", text(open.high)]);
        let mut domain = vec![json!(["id", ">", open.last])];
        match self.low {
            Some(low) => domain.extend([json!(["write_date", ">=", text(low)]), high]),
            // What was put in by SQL may have no time at all.
            None => domain.extend([json!("|"), json!(["write_date", "=", false]), high]),
        }
        Some(domain)
    }

    /// After a page with this last id, if it had rows; a page that is not full ends the window.
    pub fn after(self, last: Option<i64>, is_full: bool, overlap: SignedDuration) -> Self {
        let Some(open) = self.open else { return self };
        match last.filter(|_| is_full) {
            Some(last) => Self { low: self.low, open: Some(Open { last, ..open }) },
            None => Self { low: Some(before(open.high, overlap)), open: None },
        }
    }
}

/// The next page of changes and the cursor after it. Where no window is being read, Odoo's clock is asked first.
pub async fn page<T: Row>(
    client: &Client,
    reading: &Reading<'_>,
    cursor: &Cursor,
    overlap: SignedDuration,
) -> Result<(Vec<T>, Cursor), Error> {
    let cursor = match cursor.is_open() {
        true => cursor.clone(),
        false => cursor.clone().begin(client.clock().await?, overlap),
    };
    let mut domain = cursor.domain().unwrap_or_default();
    domain.extend(reading.domain.iter().cloned());
    let rows: Vec<T> = rows(client, reading, domain).await?;
    let cursor = cursor.after(rows.last().map(Row::id), is_full(reading, rows.len()), overlap);
    Ok((rows, cursor))
}

/// The next page of a sweep, of all rows there are: those after this id (0 to begin with), and whether there may be more.
pub async fn sweep<T: Row>(
    client: &Client,
    reading: &Reading<'_>,
    after: i64,
) -> Result<(Vec<T>, bool), Error> {
    let mut domain = vec![json!(["id", ">", after])];
    domain.extend(reading.domain.iter().cloned());
    let found: Vec<T> = rows(client, reading, domain).await?;
    let more = is_full(reading, found.len());
    Ok((found, more))
}

async fn rows<T: DeserializeOwned>(
    client: &Client,
    reading: &Reading<'_>,
    domain: Vec<Value>,
) -> Result<Vec<T>, Error> {
    let domain = Value::Array(domain);
    let search =
        Search { domain, fields: reading.fields, order: "id", limit: Some(reading.limit), offset: 0 };
    client.search_read(reading.model, &search, reading.context).await
}

/// A time as Odoo writes it: UTC, no zone, whole seconds.
pub fn instant(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn text(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn before(instant: Timestamp, time: SignedDuration) -> Timestamp {
    instant.saturating_sub(time).unwrap_or(Timestamp::MIN)
}

fn is_full(reading: &Reading<'_>, rows: usize) -> bool {
    usize::try_from(reading.limit).is_ok_and(|limit| rows >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: SignedDuration = SignedDuration::from_secs(300);

    fn at(time: &str) -> Timestamp {
        instant(&format!("2026-11-02 {time}")).unwrap()
    }

    #[track_caller]
    fn check(cursor: &Cursor, domain: Value) {
        assert_eq!(cursor.domain().map(Value::Array), Some(domain));
    }

    #[test]
    fn a_window_is_fixed_before_its_first_page_and_the_next_one_overlaps_it() {
        let cursor = Cursor::default().begin(at("10:00:00"), OVERLAP);
        let first = json!([
            ["id", ">", 0],
            "|",
            ["write_date", "=", false],
            ["write_date", "<", "2026-11-02 10:00:01"]
        ]);
        check(&cursor, first);
        let cursor = cursor.after(Some(7), true, OVERLAP).begin(at("11:00:00"), OVERLAP);
        check(
            &cursor,
            json!([
                ["id", ">", 7],
                "|",
                ["write_date", "=", false],
                ["write_date", "<", "2026-11-02 10:00:01"]
            ]),
        );
        let cursor = cursor.after(Some(9), false, OVERLAP);
        assert!(!cursor.is_open() && cursor.domain().is_none());
        let cursor = cursor.begin(at("10:00:05"), OVERLAP);
        check(
            &cursor,
            json!([
                ["id", ">", 0],
                ["write_date", ">=", "2026-11-02 09:55:01"],
                ["write_date", "<", "2026-11-02 10:00:06"]
            ]),
        );
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let cursor = Cursor::default().begin(at("10:00:00"), OVERLAP).after(None, false, OVERLAP);
        let cursor = cursor.begin(at("08:00:00"), OVERLAP);
        check(
            &cursor,
            json!([
                ["id", ">", 0],
                ["write_date", ">=", "2026-11-02 07:55:00"],
                ["write_date", "<", "2026-11-02 08:00:01"]
            ]),
        );
    }

    #[test]
    fn a_window_is_set_back_and_never_forward_nor_in_the_middle() {
        let since = |time: &str| Cursor::since(at(time));
        assert_eq!(since("10:00:00").back_to(at("09:00:00")), since("09:00:00"));
        assert_eq!(since("10:00:00").back_to(at("11:00:00")), since("10:00:00"));
        assert_eq!(Cursor::default().back_to(at("09:00:00")), Cursor::default());
        let open = since("10:00:00").begin(at("11:00:00"), OVERLAP);
        assert_eq!(open.clone().back_to(at("09:00:00")), open);
    }

    #[test]
    fn a_cursor_is_read_back_as_it_was_written() {
        let cursor = Cursor::default().begin(at("10:00:00"), OVERLAP).after(Some(7), true, OVERLAP);
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
    }
}
