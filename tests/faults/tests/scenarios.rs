//! A few scenarios with one seed each, on the stack that the tests are on: the short form of `make test-faults`, which plays all of
//! them on three brokers. These are the ones that the tests of single faults do not have: answers of Odoo that are lost, and
//! folding again beside redrive and restarts.

use faults::ground::Ground;
use faults::play::run;
use faults::scenarios::ALL;
use harness::Stack;
use std::sync::Arc;

const SHORT: [(&str, u64); 2] = [("F3", 1), ("F15", 1)];

#[tokio::test(flavor = "multi_thread")]
async fn a_few_scenarios_of_faults_end_with_every_invariant_held() {
    if Stack::from_env().is_none() {
        return;
    }
    let ground = Arc::new(Ground::given().await.expect("the stack says where it is"));
    for (id, seed) in SHORT {
        let scenario = ALL.iter().find(|scenario| scenario.id == id).expect("a scenario");
        assert_eq!((scenario.lacks)(&ground), None, "{id} cannot be played here");
        let folder = std::env::temp_dir().join(format!("vertebra-faults-{}-{seed}", id.to_lowercase()));
        let outcome = run(scenario, seed, Arc::clone(&ground), folder.clone(), |_| ()).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{id}: {error}"));
        println!("{id} seed {seed}: {} messages\n{}", outcome.messages, outcome.verdict);
        assert!(
            outcome.verdict.is_good(),
            "{id} seed {seed}, logs in {}:\n{}",
            folder.display(),
            outcome.verdict
        );
    }
}
