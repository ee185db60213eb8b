//! Statements as they are sent: several in one round trip, with parameters that no log can show.

use super::failure::Failure;
use crate::record::OutRecord;
use bytes::BytesMut;
use deadpool_postgres::ClientWrapper;
use futures::future::maybe_done;
use futures::{TryStreamExt, poll};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use tokio_postgres::Row;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// One statement with its parameters.
pub(super) struct Ask<'a> {
    sql: Cow<'a, str>,
    parameters: Vec<Hidden<'a>>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(sql: impl Into<Cow<'a, str>>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    /// The next parameter.
    pub(super) fn with(mut self, value: impl ToSql + Send + Sync + 'a) -> Self {
        self.parameters.push(Hidden(Box::new(value)));
        self
    }
}

/// A parameter. The driver writes parameters to its debug log by their `Debug`, and they can be patient data.
struct Hidden<'a>(Box<dyn ToSql + Send + Sync + 'a>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

type ToSqlResult = Result<IsNull, Box<dyn Error + Sync + Send>>;

impl ToSql for Hidden<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> ToSqlResult {
        self.0.to_sql_checked(ty, out)
    }

    // The value within is asked by `to_sql_checked`; without it there is nothing to ask.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> ToSqlResult {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}

/// Sends all statements at once, in order, and waits for all answers: one round trip, once they are prepared.
///
/// After an error the connection may still be working on later statements.
pub(super) async fn pipeline(client: &ClientWrapper, asks: Vec<Ask<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
    let mut sent = Vec::with_capacity(asks.len());
    for Ask { sql, parameters } in asks {
        let statement = client.prepare_cached(&sql).await?;
        sent.push(Box::pin(maybe_done(async move {
            let rows = client.query_raw(&statement, parameters).await?;
            rows.try_collect::<Vec<Row>>().await
        })));
    }
    // The driver sends a statement when its future is polled first.
    for answer in &mut sent {
        let _ = poll!(answer.as_mut());
    }
    let mut answers = Vec::with_capacity(sent.len());
    for mut answer in sent {
        answer.as_mut().await;
        answers.push(answer.as_mut().take_output().ok_or(Failure::Connection(None))??);
    }
    Ok(answers)
}

/// One statement and its rows.
pub(super) async fn ask(client: &ClientWrapper, ask: Ask<'_>) -> Result<Vec<Row>, Failure> {
    Ok(pipeline(client, vec![ask]).await?.pop().unwrap_or_default())
}

/// Headers as one value, byte for byte: (name length, name, value length, value)*, lengths as 4 bytes big-endian.
pub(super) fn pack(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut packed = Vec::with_capacity(bytes);
    let mut push = |part: &[u8]| {
        // Kafka's own frame holds both lengths in 32 bits.
        packed.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        packed.extend_from_slice(part);
    };
    for (name, value) in headers {
        push(name.as_bytes());
        push(value);
    }
    packed
}

/// The headers that were packed.
pub(super) fn unpack(mut packed: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut headers = Vec::new();
    while !packed.is_empty() {
        let (name, rest) = part(packed).ok_or(Failure::Corrupt("a record's headers"))?;
        let (value, rest) = part(rest).ok_or(Failure::Corrupt("a record's headers"))?;
        let name = std::str::from_utf8(name).map_err(|_| Failure::Corrupt("a record's headers"))?;
        headers.push((name.to_owned(), value.to_owned()));
        packed = rest;
    }
    Ok(headers)
}

fn part(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = packed.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A row of the outbox: seq, topic, partition, key, value, headers.
pub(super) fn out_record(row: &Row) -> Result<OutRecord, Failure> {
    Ok(OutRecord {
        seq: row.try_get(0)?,
        topic: row.try_get(1)?,
        partition: row.try_get(2)?,
        key: row.try_get(3)?,
        value: row.try_get(4)?,
        headers: unpack(row.try_get(5)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &[u8])]) {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        assert_eq!(unpack(&pack(&headers)), Ok(headers));
    }

    #[test]
    fn headers_come_back_byte_for_byte() {
        check(&[]);
        check(&[("", b"")]);
        check(&[("ce_id", b"x"), ("ce_id", &[0, 255, 10]), ("größe", b"")]);
    }

    #[test]
    fn cut_off_headers_are_refused() {
        let packed = pack(&[("ce_id".to_owned(), vec![1, 2, 3])]);
        for end in 1..packed.len() {
            assert_eq!(unpack(&packed[..end]), Err(Failure::Corrupt("a record's headers")), "{end}");
        }
    }

    #[test]
    fn a_parameter_does_not_show_in_debug_output() {
        let ask = Ask::new("SELECT $1").with("DOE^JANE");
        assert_eq!(format!("{:?}", ask.parameters), "[[redacted]]");
    }
}
