//! The schema registry, on a real one: `VERTEBRA_TEST_REGISTRY_URL` names it.

use backbone::contract::SchemaSource;
use backbone::registry::{Registry, RegistryError};
use backbone::settings::ServiceUrl;

const FIRST: &str = r#"{"type": "record", "name": "Trial", "fields": [{"name": "a", "type": "string"}]}"#;
const LAID_OUT_ANEW: &str = "{\n  \"type\": \"record\",\n  \"name\": \"Trial\",\n  \"fields\": [\n    {\"name\": \"a\", \
                             \"type\": \"string\"}\n  ]\n}\n";
const COMPATIBLE: &str = r#"{"type": "record", "name": "Trial", "fields": [{"name": "a", "type": "string"},
    {"name": "b", "type": "long", "default": 0}]}"#;
const BREAKING: &str = r#"{"type": "record", "name": "Trial", "fields": [{"name": "a", "type": "string"},
    {"name": "c", "type": "long"}]}"#;

#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn registry() -> Option<(Registry, String)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where the registry is by their environment"
    )]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(url) = variable("VERTEBRA_TEST_REGISTRY_URL") else {
        assert_ne!(
            variable("VERTEBRA_TEST_REQUIRED").as_deref(),
            Some("1"),
            "VERTEBRA_TEST_REGISTRY_URL is not set"
        );
        println!("skipped: VERTEBRA_TEST_REGISTRY_URL names no registry");
        return None;
    };
    let registry =
        Registry::new(&ServiceUrl::parse(&url, &["http", "https"]).expect("a URL")).expect("a client");
    Some((registry, format!("test.edge.registry.{}", uuid::Uuid::new_v4().simple())))
}

#[tokio::test]
async fn a_schema_is_registered_once_found_exactly_and_held_to_full_compatibility() {
    let Some((registry, topic)) = registry() else {
        return;
    };
    let missing = registry.id_of(&topic, FIRST).await.expect_err("not registered");
    assert!(matches!(missing, RegistryError::NotRegistered { .. }), "{missing}");
    assert!(missing.to_string().contains("vertebra contract apply"), "{missing}");

    let first = registry.register(&topic, FIRST).await.expect("registered");
    assert_eq!(registry.register(&topic, FIRST).await.expect("registered"), first);
    assert_eq!(registry.id_of(&topic, FIRST).await.expect("found"), first);
    assert_eq!(registry.id_of(&topic, LAID_OUT_ANEW).await.expect("found"), first);

    let other = registry.id_of(&topic, COMPATIBLE).await.expect_err("another schema");
    assert!(matches!(other, RegistryError::NotRegistered { .. }), "{other}");
    let second = registry.register(&topic, COMPATIBLE).await.expect("registered");
    assert_ne!(second, first);
    assert_eq!(registry.id_of(&topic, FIRST).await.expect("found"), first);
    assert_eq!(registry.id_of(&topic, COMPATIBLE).await.expect("found"), second);

    let refused = registry.register(&topic, BREAKING).await.expect_err("refused");
    assert!(matches!(&refused, RegistryError::Incompatible { said, .. } if !said.is_empty()), "{refused:?}");
}

#[tokio::test]
async fn writers_schemas_are_fetched_once_and_an_id_that_nobody_has_is_asked_for_again() {
    let Some((registry, topic)) = registry() else {
        return;
    };
    let id = registry.register(&topic, FIRST).await.expect("registered");
    // Ids are given one after the other; other tests take some too.
    let next: Vec<u32> = (id..id + 50).collect();
    registry.ensure(&next).await.expect("asked");
    assert!(registry.schemas().knows(id));
    let writer = registry.writer(id).await.expect("asked").expect("a schema");
    assert!(writer.json().contains("Trial"));
    let second = registry.register(&topic, COMPATIBLE).await.expect("registered");
    assert!(next.contains(&second) && !registry.schemas().knows(second));
    registry.ensure(&next).await.expect("asked again");
    assert!(registry.schemas().knows(second), "it was taken for missing since it had been so once");
}

#[tokio::test]
async fn ids_that_no_registry_gives_are_missing_and_no_outage() {
    let Some((registry, _)) = registry() else {
        return;
    };
    for id in [0, 2_000_000_000, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        assert!(registry.writer(id).await.expect("it is told").is_none(), "{id}");
        registry.ensure(&[id]).await.expect("it is told");
        assert!(!registry.schemas().knows(id));
    }
}
