//! `vertebra contract` against a real Kafka and registry; the program itself where it is about the command line.

use backbone::kafka::{Admin, KafkaSettings};
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::Catalog;
use std::collections::BTreeMap;
use std::process::{Command, Output};
use vertebra::contract::{Contract, ContractError, Copies, Report, State};

const SCHEMA: &str = r#"{"type": "record", "name": "Note", "namespace": "org.vertebra.test", "doc": "For tests.",
    "fields": [{"name": "text", "doc": "Any.", "type": "string", "default": ""}]}"#;

/// A topic, a catalog and a subject that nobody else has.
struct Stand {
    admin: Admin,
    registry: Registry,
    catalog: Catalog,
    topic: String,
    bootstrap: String,
    registry_url: String,
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the stack is by their environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Stand {
    #[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
    fn try_new() -> Option<Self> {
        let found = variable("VERTEBRA_TEST_KAFKA").zip(variable("VERTEBRA_TEST_REGISTRY_URL"));
        let Some((bootstrap, registry_url)) = found else {
            assert!(
                variable("VERTEBRA_TEST_REQUIRED").is_none(),
                "VERTEBRA_TEST_KAFKA and …_REGISTRY_URL are not set"
            );
            println!("skipped: VERTEBRA_TEST_KAFKA and VERTEBRA_TEST_REGISTRY_URL name no stack");
            return None;
        };
        let topic = format!("test.apply-{}.v1", uuid::Uuid::new_v4().simple());
        let catalog = format!(
            "key_types:\n  service: {{partitions: 1}}\ntopics:\n  {topic}:\n    summary: For tests.\n    owner: tests\n    \
             system_of_record: vertebra\n    data_class: operational\n    key_type: service\n    partitions: 1\n    \
             cleanup: delete\n    retention: 1d\n    lane: batch\n    latency_objective_ms: 1000\n    producer: tester\n    \
             consumers: []\n"
        );
        let url = ServiceUrl::parse(&registry_url, &["http", "https"]).expect("a URL");
        Some(Self {
            admin: Admin::new(&KafkaSettings::plaintext(bootstrap.clone(), "vertebra-test"))
                .expect("a client"),
            registry: Registry::new(&url).expect("a client"),
            catalog: Catalog::parse_for(&catalog, &[(&topic, SCHEMA)])
                .unwrap_or_else(|errors| panic!("{errors}")),
            topic,
            bootstrap,
            registry_url,
        })
    }

    async fn apply(&self, replication: u16) -> Result<Report, ContractError> {
        self.contract(&[(&self.topic, SCHEMA)]).apply(Copies::of(replication)).await
    }

    fn contract<'a>(&'a self, schemas: &'a [(&'a str, &'a str)]) -> Contract<'a> {
        Contract { admin: &self.admin, registry: &self.registry, catalog: &self.catalog, schemas }
    }

    async fn checked(&self) -> Vec<State> {
        states(&self.contract(&[(&self.topic, SCHEMA)]).check().await.expect("a report"))
    }
}

fn states(report: &Report) -> Vec<State> {
    report.findings.iter().map(|finding| finding.state).collect()
}

#[tokio::test]
async fn applying_makes_what_is_missing_and_again_does_nothing() {
    let Some(stand) = Stand::try_new() else { return };
    assert_eq!(stand.checked().await, [State::Missing, State::Missing]);
    assert_eq!(states(&stand.apply(1).await.expect("applied")), [State::Created, State::Registered]);
    assert_eq!(states(&stand.apply(1).await.expect("applied")), [State::Same, State::Same]);
    assert_eq!(stand.checked().await, [State::Same, State::Same]);
    stand.admin.delete_topics(&[&stand.topic]).await.expect("deleted");
}

#[tokio::test]
async fn another_partition_count_stops_it_before_anything_is_done() {
    let Some(stand) = Stand::try_new() else { return };
    stand.admin.create_topic(&stand.topic, 2, 1, &BTreeMap::new()).await.expect("created");
    let begun = std::time::Instant::now();
    while stand.admin.held(&stand.topic).await.is_err() {
        assert!(begun.elapsed().as_secs() < 60, "the topic has no leaders");
    }
    let report = stand.apply(1).await.expect("a report");
    assert_eq!(states(&report), [State::Refused]);
    assert!(report.to_string().contains("fixed for life"), "{report}");
    assert_eq!(stand.checked().await, [State::Refused, State::Missing], "no schema was registered");
    stand.admin.delete_topics(&[&stand.topic]).await.expect("deleted");
}

#[tokio::test]
async fn more_copies_than_brokers_are_refused_with_what_to_do() {
    let Some(stand) = Stand::try_new() else { return };
    let error = stand.apply(9).await.expect_err("one broker keeps no nine copies");
    assert!(matches!(error, ContractError::Brokers { .. }), "{error}");
    assert!(error.to_string().contains("say --replication"), "{error}");
}

#[tokio::test]
async fn all_copies_but_one_have_a_record_before_it_is_acknowledged() {
    assert_eq!(Copies::of(3), Copies { replication: 3, min_in_sync: 2 });
    assert_eq!(Copies::of(1), Copies { replication: 1, min_in_sync: 1 });
    let Some(stand) = Stand::try_new() else { return };
    let contract = stand.contract(&[]);
    let error =
        contract.apply(Copies { replication: 1, min_in_sync: 2 }).await.expect_err("no copy could do");
    assert!(error.to_string().contains("nothing could be written"), "{error}");
    contract.apply(Copies::of(1)).await.expect("applied");
    let configs = stand.admin.configs(&[&stand.topic]).await.expect("its configuration");
    assert_eq!(configs[&stand.topic].get("min.insync.replicas").map(String::as_str), Some("1"));
    stand.admin.delete_topics(&[&stand.topic]).await.expect("deleted");
}

#[tokio::test]
async fn a_schema_that_breaks_readers_is_refused() {
    let Some(stand) = Stand::try_new() else { return };
    stand.apply(1).await.expect("applied");
    let broken = SCHEMA.replace(r#""type": "string", "default": """#, r#""type": "long", "default": 0"#);
    let report = stand.contract(&[(&stand.topic, &broken)]).apply(Copies::of(1)).await.expect("a report");
    assert_eq!(states(&report), [State::Same, State::Refused]);
    stand.admin.delete_topics(&[&stand.topic]).await.expect("deleted");
}

#[test]
fn the_program_applies_this_releases_contract_and_then_finds_it_whole() {
    let Some(stand) = Stand::try_new() else { return };
    let cluster = ["--kafka-bootstrap", &stand.bootstrap, "--registry-url", &stand.registry_url];
    for command in [vec!["apply", "--replication", "1"], vec!["apply", "--replication", "1"], vec!["check"]] {
        let ended = vertebra(command.iter().copied().chain(cluster));
        let both = 2 * Catalog::builtin().topics().count();
        check(&ended, 0, &format!("the contract holds: {both} topics and schemas"));
    }
}

#[test]
fn a_cluster_that_does_not_answer_is_told_apart_from_one_that_differs() {
    let nowhere =
        ["contract", "check", "--kafka-bootstrap", "127.0.0.1:1", "--registry-url", "http://127.0.0.1:1"];
    check(&vertebra(nowhere.into_iter().skip(1)), 3, "the topics cannot be listed");
    check(&vertebra(["check"]), 2, "--kafka-bootstrap is missing");
    check(&vertebra(["check", "--offline"]), 0, "compatible with every released version");
    check(&vertebra(["docs"]), 0, "## billing.charge.v1");
    check(&vertebra(["alerts", "--runbooks", "https://on.call/"]), 0, "\"https://on.call/odoo-down.md\"");
    check(&vertebra(["dashboard"]), 0, "\"uid\": \"vertebra\"");
}

fn vertebra<'a>(args: impl IntoIterator<Item = &'a str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vertebra"));
    command.env_clear().arg("contract").args(args).output().expect("it starts")
}

#[track_caller]
fn check(ended: &Output, code: i32, says: &str) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
}
