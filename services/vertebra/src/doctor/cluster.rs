//! Kafka and the registry: whether they answer, what may be done there, and whether topics and schemas are the contract's.

use super::{Line, clock, here, words};
use crate::contract::{Contract, ContractError, Kind, State};
use backbone::edge::BrokerError;
use backbone::kafka::{Access, Admin, KafkaSettings};
use backbone::registry::{Registry, RegistryError};
use backbone::settings::ServiceUrl;
use canon::{Catalog, Event, RawHl7v2};

const KAFKA: &str = "Kafka";

pub(super) async fn examine(kafka: &KafkaSettings, registry: &ServiceUrl) -> Vec<Line> {
    let mut lines = Vec::new();
    let admin = match Admin::new(kafka) {
        Ok(admin) => admin,
        Err(error) => return vec![Line::failed(KAFKA, "client", words(&error), "correct the Kafka options")],
    };
    match admin.brokers().await {
        Err(error) => {
            let then =
                "see whether brokers run, and compare --kafka-bootstrap and the security options with them";
            return vec![Line::failed(KAFKA, "brokers", words(&error), then)];
        }
        Ok(1) => lines.push(Line::warning(
            KAFKA,
            "brokers",
            "one answers: what is acknowledged lies on one disk",
            "run three, with min.insync.replicas=2",
        )),
        Ok(count) => {
            lines.push(Line::ok(KAFKA, "brokers", format!("{count} answer")));
            lines.push(copies(&admin).await);
        }
    }
    lines.extend(rights(&admin).await);
    lines.extend(time(&admin).await);
    match Registry::new(registry) {
        Ok(registry) => lines.extend(contract(&admin, &registry).await),
        Err(error) => lines.push(Line::failed("registry", "client", words(&error), "correct --registry-url")),
    }
    lines
}

/// Whether what is acknowledged outlives a broker: each topic in three copies, two of which must have a record.
async fn copies(admin: &Admin) -> Line {
    const NAME: &str = "copies";
    let asked = async {
        let copies = admin.copies().await?;
        let names: Vec<&str> = Catalog::builtin().topics().map(|topic| topic.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| copies.contains_key(*name)).collect();
        let configs = admin.configs(&names).await?;
        let told = names.into_iter().filter_map(|name| {
            let needed = configs.get(name).and_then(|configs| configs.get("min.insync.replicas"));
            let needed: usize = needed.and_then(|needed| needed.parse().ok()).unwrap_or(1);
            (copies[name] < 3 || needed < 2).then(|| {
                format!("{name} is kept {} times, of which {needed} must have a record", copies[name])
            })
        });
        Ok::<Vec<String>, BrokerError>(told.collect())
    };
    match asked.await {
        Ok(few) if few.is_empty() => {
            Line::ok(KAFKA, NAME, "three or more of every topic, two of which must have a record")
        }
        Ok(few) => Line::warning(
            KAFKA,
            NAME,
            few.join("; "),
            "make new topics with `vertebra contract apply --replication 3`; move those that are there with kafka-reassign-partitions, and set min.insync.replicas=2",
        ),
        Err(error) => Line::warning(
            KAFKA,
            NAME,
            words(&error),
            "allow this principal DESCRIBE and DESCRIBE_CONFIGS on the topics",
        ),
    }
}

/// What this principal may do, where the cluster forbids anything.
async fn rights(admin: &Admin) -> Vec<Line> {
    let authorizer = match admin.authorizer().await {
        Ok(Some(name)) => Line::ok(KAFKA, "authorizer", name),
        Ok(None) => Line::warning(
            KAFKA,
            "authorizer",
            "the brokers have none: whoever reaches them may read, write and delete everything",
            "set one up, and give each service the rights that the catalog names for it",
        ),
        Err(error) => Line::warning(
            KAFKA,
            "authorizer",
            words(&error),
            "it is not told to this principal: ask whoever runs the brokers",
        ),
    };
    let mut lines = vec![authorizer];
    let there = admin.partitions().await.unwrap_or_default();
    let topics: Vec<&str> = Catalog::builtin().topics().map(|topic| topic.name.as_str()).collect();
    let topics: Vec<&str> = topics.into_iter().filter(|topic| there.contains_key(*topic)).collect();
    let (mut denied, mut unknown, mut allowed) = (Vec::new(), Vec::new(), 0);
    for topic in topics {
        match admin.may_read(topic).await {
            Ok(Access::Allowed) => allowed += 1,
            Ok(Access::Denied) => denied.push(topic.to_owned()),
            Ok(Access::Unknown(why)) => unknown.push(format!("{topic}: {why}")),
            Err(error) => unknown.push(format!("{topic}: {}", words(&error))),
        }
    }
    lines.push(match (denied.as_slice(), unknown.as_slice()) {
        ([], []) => Line::ok(KAFKA, "reading", format!("{allowed} topics of the catalog may be read")),
        ([], _) => {
            Line::warning(KAFKA, "reading", unknown.join("; "), "see whether the topics' leaders answer")
        }
        _ => Line::failed(
            KAFKA,
            "reading",
            format!("denied: {}", denied.join(", ")),
            "allow this principal READ and DESCRIBE there",
        ),
    });
    lines.push(group(admin).await);
    lines.push(Line::warning(
        KAFKA,
        "writing",
        "not tried: it cannot be without writing",
        "each service needs WRITE on the topics that the catalog says it produces, and on its transactional ids (vertebra.<service>.<shard>), and READ on groups that are called so",
    ));
    lines
}

async fn group(admin: &Admin) -> Line {
    match admin.may_use_group("vertebra-doctor", RawHl7v2::TOPIC).await {
        Ok(Access::Allowed) => Line::ok(KAFKA, "groups", "positions may be asked for"),
        Ok(Access::Denied) => Line::failed(
            KAFKA,
            "groups",
            "denied: positions of groups",
            "allow READ on groups, or lag tools see nothing",
        ),
        Ok(Access::Unknown(why)) => {
            Line::warning(KAFKA, "groups", why, "see whether the coordinator answers")
        }
        Err(error) => Line::warning(KAFKA, "groups", words(&error), "see whether the coordinator answers"),
    }
}

async fn time(admin: &Admin) -> Vec<Line> {
    let asked = here();
    match admin.clock(RawHl7v2::TOPIC).await {
        // Others commit as well: the newest record may be a little younger than ours.
        Ok(theirs) => vec![clock("the broker", theirs, asked, here())],
        Err(error) => vec![Line::warning(
            "clock",
            "the broker",
            format!("cannot be told: {}", words(&error)),
            "it is read off the brokers' own topic __consumer_offsets: allow READ there, or compare the hosts by hand",
        )],
    }
}

/// Topics and schemas against the contract: what holds in a line, the rest one by one.
async fn contract(admin: &Admin, registry: &Registry) -> Vec<Line> {
    let catalog = Catalog::builtin();
    let contract = Contract { admin, registry, catalog, schemas: &canon::events::SCHEMAS };
    let findings = match contract.check().await {
        Ok(report) => report.findings,
        Err(error) => return vec![away(&error)],
    };
    let mut lines = Vec::new();
    for (kind, area, what) in [(Kind::Topic, KAFKA, "topics"), (Kind::Schema, "registry", "schemas")] {
        let of_kind: Vec<_> = findings.iter().filter(|finding| finding.kind == kind).collect();
        let same = of_kind.iter().filter(|finding| finding.state.holds()).count();
        if same > 0 {
            lines.push(Line::ok(area, what, format!("{same} of {} are the contract's", of_kind.len())));
        }
        for finding in of_kind.into_iter().filter(|finding| !finding.state.holds()) {
            let then = match finding.state {
                State::Missing => "run `vertebra contract apply`",
                State::Differs => "bring it in line with the catalog, or correct the catalog",
                _ => "a person has to decide: see `vertebra contract check`",
            };
            lines.push(Line::failed(area, &finding.topic, &finding.detail, then));
        }
    }
    lines
}

fn away(error: &ContractError) -> Line {
    match error {
        ContractError::Registry(RegistryError::Unavailable { .. }) => Line::failed(
            "registry",
            "answer",
            words(error),
            "see whether it runs, and compare --registry-url: it ends with the API's path",
        ),
        error => Line::failed(KAFKA, "topics", words(error), "see whether the brokers answer"),
    }
}
