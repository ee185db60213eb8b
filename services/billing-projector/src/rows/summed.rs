//! The books are read out of these tables: a real PostgreSQL, in a schema of the test's own, when `VERTEBRA_TEST_POSTGRES_URL` names one.

use super::{AccountRow, ChargeRow, DivergedRow, UnbilledRow};
use backbone::ReportRow;
use backbone::postgres::{PostgresSettings, PostgresStore, Processor};
use backbone::settings::ServiceUrl;
use books::{Books, BooksError, Reader, Sums};
use canon::events::billing_charge::ChargeKind;
use canon::{Change, Charge, EncounterToken, Timestamp};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn url() -> Option<ServiceUrl> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = variable("VERTEBRA_TEST_POSTGRES_URL");
    if url.is_none() {
        assert!(variable("VERTEBRA_TEST_REQUIRED").is_none(), "no PostgreSQL was given, and one is required");
        println!("skipped: no PostgreSQL was given");
    }
    ServiceUrl::parse(&url?, &["postgres", "postgresql"]).ok()
}

/// The report tables of a ledger that nobody else has.
async fn tables(url: &ServiceUrl, service: &str) -> Client {
    let settings = PostgresSettings {
        url: url.clone(),
        service: Box::leak(service.to_owned().into_boxed_str()),
        instance: Uuid::nil(),
        lease: Duration::from_secs(30),
        connections_max: 1,
    };
    let tables = vec![AccountRow::TABLE, ChargeRow::TABLE, DivergedRow::TABLE, UnbilledRow::TABLE];
    let processors = [Processor { name: "billing-case", tables }];
    drop(PostgresStore::connect(&settings, 1, &processors).await.unwrap());
    let (client, connection) = tokio_postgres::connect(url.reveal().as_str(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = {}", service.replace('-', "_"))).await.unwrap();
    client
}

const ROWS: &str = "
    INSERT INTO billing_account VALUES
        ('1', 'v1', 'lakeside', 'NORTH', '2026-01-01', 'EUR', 2, 30, 0, 10, 0, 0, 20, 0, 0),
        ('2', 'v2', 'lakeside', 'NORTH', '2026-01-01', 'EUR', 1, 12.34, -2.34, 0, 10, 0, 0, 0, 0),
        ('3', 'v2', 'lakeside', 'NORTH', '2026-01-02', 'EUR', 1, -2.34, 2.34, 0, 0, 0, 0, 0, 0),
        ('4', 'v3', 'lakeside', 'NORTH', '2026-01-03', 'EUR', 1, 5, 0, 0, 0, 0, 4, 0, 0),
        ('5', 'v4', 'lakeside', 'NORTH', '2026-01-03', 'EUR', 1, 5, 0, 0, 0, 0, 6, 0, 0);
    INSERT INTO billing_unbilled VALUES
        ('1', 'v1', 'a', 'lakeside', 'NORTH', 'EUR', 4, 'open', now() - interval '1 day'),
        ('2', 'v1', 'b', 'lakeside', 'NORTH', 'EUR', 5, 'open', now() - interval '2 days'),
        ('3', 'v3', 'c', 'lakeside', NULL, 'EUR', 1, 'waiting', now() - interval '100 days');
    INSERT INTO billing_diverged VALUES
        ('v1-1', 'v1', 'v1-1', 'NORTH', NULL, '2026-01-01T00:00:00Z', 'line 1: 9 instead of 10', 'EUR', 1),
        ('v2-1', 'v2', 'v2-1', 'NORTH', NULL, '2026-01-02T00:00:00Z', 'deleted in odoo', 'EUR', 10),
        ('v3-1', 'v3', 'v3-1', NULL, NULL, '2026-01-03T00:00:00Z', 'currency', 'USD', 0);";

#[tokio::test]
async fn visits_are_summed_by_account_and_by_age() {
    let Some(url) = url() else { return };
    let service = format!("test-{}", Uuid::new_v4().simple());
    let schema = service.replace('-', "_");
    let client = tables(&url, &service).await;
    client.batch_execute(ROWS).await.unwrap();
    set_aside(&client).await;
    let read = async {
        let mut reader = Reader::within(&url, &schema).await?;
        Ok::<_, BooksError>((reader.diverged().await?, reader.aside().await?, reader.books().await?))
    };
    let read = read.await;
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    let (sums, aside, Books { accounts, unbilled, diverged, parked }) = read.unwrap();
    let sums: Vec<String> =
        sums.iter().map(|((of, currency), sum)| format!("{of} {currency} {sum}")).collect();
    assert_eq!(sums, [" USD 0", "NORTH EUR 11"]);
    let sums: Vec<&Sums> = accounts.values().collect();
    // On the third day one visit is short of what another one has too much.
    let missing: Vec<String> = sums.iter().map(|sums| sums.missing.to_string()).collect();
    assert_eq!(missing, ["0", "0", "2"]);
    assert_eq!((sums[0].count, sums[0].charges.to_string().as_str()), (3, "42.34"));
    let ages: Vec<String> = unbilled
        .iter()
        .map(|row| format!("{} {} {} {} in {}", row.facility, row.state, row.days, row.amount, row.count))
        .collect();
    assert_eq!(ages, [" waiting 91+ 1 in 1", "NORTH open 0-3 9 in 2"]);
    assert_eq!(diverged[0].since, "2026-01-01T00:00:00Z");
    assert_eq!(parked, [("invalid".to_owned(), 2)].into());
    // One is new, one corrects what the books have; one was given up.
    let aside: Vec<String> = aside
        .iter()
        .map(|((sender, facility, currency), sums)| {
            format!("{sender} {facility} {currency} {} {}", sums.parked, sums.discarded)
        })
        .collect();
    assert_eq!(aside, ["lakeside NORTH EUR 12.5 3"]);
}

fn charge(id: &str, amount: &str) -> Vec<u8> {
    let encounter = EncounterToken::from_bytes([7; 16]);
    let charge = Charge {
        change: Change::Recorded,
        charge: id.to_owned(),
        encounter,
        patient: None,
        sender: "lakeside".to_owned(),
        control_id: "1".to_owned(),
        facility: Some("NORTH".to_owned()),
        transaction_id: id.to_owned(),
        kind: ChargeKind::Charge,
        reverses: None,
        code: "X".to_owned(),
        description: None,
        quantity: "1".parse().unwrap(),
        amount: amount.parse().unwrap(),
        currency: "EUR".to_owned(),
        service_at: Timestamp(0),
        department: None,
        company: None,
        journal: None,
        occurred_at: Timestamp(0),
    };
    canon::codec::encode(1, &charge).unwrap()
}

/// Two charges that are parked, one of which the books have with 5, and one that was given up.
async fn set_aside(client: &Client) {
    let park = "INSERT INTO parked (processor, lane, kind, topic, partition, record_offset, record_timestamp_us, value,
        headers, reason, detail, parked_at_us) VALUES ('billing-case', 0, 'record', 'billing.charge.v1', 0, $1, 0, $2, '', 'invalid', '', 0)";
    client.execute(park, &[&1_i64, &charge("a", "10")]).await.unwrap();
    client.execute(park, &[&2_i64, &charge("b", "7.5")]).await.unwrap();
    let visit = EncounterToken::from_bytes([7; 16]);
    client
        .execute(
            &format!(
                "INSERT INTO billing_charge (\"row\", encounter, charge, kind, code, item, currency, amount, state)
                VALUES ('{visit}/b', '{visit}', 'b', 'charge', 'X', 'X', 'EUR', 5, 'unbilled')"
            ),
            &[],
        )
        .await
        .unwrap();
    let intent = "INSERT INTO intent (processor, lane, body, asked_by, because) VALUES ('billing-case', 0, '{}', 'jo', 'so') RETURNING id";
    let intent: i64 = client.query_one(intent, &[]).await.unwrap().get(0);
    let decide = "INSERT INTO decision (processor, lane, topic, record_offset, was, value, intent, at_us)
        VALUES ('billing-case', 0, 'billing.charge.v1', 3, $1, NULL, $2, 0)";
    client.execute(decide, &[&charge("c", "3"), &intent]).await.unwrap();
}
