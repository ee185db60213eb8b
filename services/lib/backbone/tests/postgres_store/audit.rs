//! What people did is sealed in the ledger, record by record, and stays as it was.

use crate::home::{Home, Inspect, LEASE, commit, lane, on_postgres, own};
use backbone::audit::{Broken, Chain, Sealed};
use backbone::postgres::look;
use backbone::postgres::operate::{self, Asker};
use backbone::store::Changes;
use backbone::wish::{Outcome, Wish};

async fn sealed(home: &Home) -> Vec<Sealed> {
    look::sealed(&home.store, 0, 100).await.expect("records")
}

fn verified(home: &Home, records: &[Sealed]) -> Result<i64, Broken> {
    let mut chain = Chain::of(home.settings.service);
    records.iter().try_for_each(|record| chain.follow(record))?;
    Ok(chain.head().0)
}

/// A lane's owner carries one wish out, another stays open, and somebody looks at what is parked.
async fn filled(home: &Home) {
    let fence = own(&home.store, lane(0)).await.fence;
    let id = home.store.ask(lane(0), Wish::Discard { inputs: vec![1], dry_run: false }).await;
    home.store.ask(lane(0), Wish::Redrive { inputs: vec![2], dry_run: true }).await;
    let begun = commit(&home.store, &fence, Changes { begun: Some(id), ..Changes::default() }).await;
    let outcome = Outcome { discarded: 1, ..Outcome::default() };
    commit(&home.store, &begun, Changes { ended: Some((id, outcome)), ..Changes::default() }).await;
    let asker = Asker { by: "jo", because: "ticket 4711: \"ü\"" };
    operate::revealed(&home.store, (lane(0).processor, 0), 7, asker).await.expect("written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_sealed_in_its_order_and_follows_from_the_seals() {
    on_postgres(LEASE, |home| async move {
        filled(&home).await;
        let records = sealed(&home).await;
        let told: Vec<_> = records.iter().map(|record| (record.seq, record.action.as_str())).collect();
        assert_eq!(told, [(1, "discard"), (2, "reveal")]);
        assert_eq!(verified(&home, &records), Ok(2));
        assert!(records[1].reason.contains('ü') && records[1].actor == "jo");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_neither_changed_nor_deleted() {
    on_postgres(LEASE, |home| async move {
        filled(&home).await;
        let raw = home.raw().await;
        for sql in [
            "UPDATE intent SET because = 'a better one' WHERE ended_at_us IS NOT NULL",
            "UPDATE intent SET ended_at_us = NULL, result = NULL WHERE ended_at_us IS NOT NULL",
            "DELETE FROM intent",
        ] {
            raw.batch_execute(sql).await.expect_err(sql);
        }
        assert_eq!(verified(&home, &sealed(&home).await), Ok(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_table_beside_its_trigger_is_found_out() {
    on_postgres(LEASE, |home| async move {
        filled(&home).await;
        let raw = home.raw().await;
        raw.batch_execute("ALTER TABLE intent DISABLE TRIGGER audit_seal").await.expect("an owner may");
        // What was asked for is in the seal by its hash.
        let sql = "UPDATE intent SET body = '{\"do\": \"discard\", \"inputs\": [2], \"dry_run\": false}' WHERE audit_seq = 1";
        raw.batch_execute(sql).await.expect("changed");
        assert_eq!(verified(&home, &sealed(&home).await), Err(Broken::Altered { seq: 1 }));
        raw.batch_execute("DELETE FROM intent WHERE audit_seq = 1").await.expect("deleted");
        assert_eq!(verified(&home, &sealed(&home).await), Err(Broken::Gap { seq: 2, before: 0 }));
    })
    .await;
}
