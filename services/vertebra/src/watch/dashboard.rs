//! Grafana's dashboard: one page, from what people ask first to where the detail is.

use super::panels::{Panel, Row, Unit, json};
use super::senders;
use canon::Catalog;
use canon::catalog::{Producer, Topic};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn board(catalog: &Catalog) -> Value {
    let datasource =
        json!({"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"});
    json!({
        "uid": "vertebra",
        "title": "Vertebra",
        "description": "Generated from schemas/catalog.yaml by `vertebra contract dashboard`; do not edit here.",
        "tags": ["vertebra"],
        "schemaVersion": 39,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [datasource]},
        "panels": json(&rows(catalog)),
    })
}

pub(super) fn queries(catalog: &Catalog) -> Vec<String> {
    let rows = rows(catalog);
    let panels = rows.iter().flat_map(|row| &row.panels);
    panels.flat_map(|panel| panel.queries.iter().map(|(query, _)| query.clone())).collect()
}

fn rows(catalog: &Catalog) -> Vec<Row> {
    let mut rows = vec![first(), from_senders(), promises(), waiting(), parts(), odoo()];
    rows.extend(services(catalog));
    rows
}

fn first() -> Row {
    let stat = |title, query: &str, tells| Panel::stat(title, query, tells);
    Row::open(
        "Now",
        vec![
            stat(
                "Alerts that page",
                "count(ALERTS{alertstate=\"firing\", severity=\"page\", alertname=~\"Vertebra.*\"}) or vector(0)",
                Unit::Bad,
            ),
            stat(
                "Stopped lanes",
                "sum(max by (service, processor, lane) (vertebra_lane_stopped)) or vector(0)",
                Unit::Bad,
            ),
            stat(
                "Parked inputs",
                "sum(max by (service, processor, reason) (vertebra_parked_rows)) or vector(0)",
                Unit::Bad,
            ),
            stat(
                "Silent senders",
                &format!("count({} > {}) or vector(0)", senders::SILENCE, senders::ALLOWED),
                Unit::Bad,
            ),
            stat(
                "Accounts that differ",
                "count(max by (sender, facility, currency) (vertebra_billing_amount{place=\"missing\"}) != 0) or vector(0)",
                Unit::Bad,
            ),
            stat(
                "Tried again in place",
                "count(sum by (service, what) (increase(vertebra_retries_total[2m])) > 0) or vector(0)",
                Unit::Bad,
            ),
        ],
    )
}

fn from_senders() -> Row {
    let series = Panel::series;
    Row::open(
        "Senders",
        vec![
            series("Messages of the last hour", Unit::Count).query(senders::MESSAGES, "{{sender}}"),
            series("Usual in this hour of the week", Unit::Count).query(senders::MESSAGES_HABIT, "{{sender}}"),
            series("Silence, and what is allowed", Unit::Seconds)
                .query(senders::SILENCE, "{{sender}}")
                .query(senders::ALLOWED, "{{sender}} may"),
            series("Answers by result", Unit::PerSecond)
                .query("sum by (sender, result) (rate(vertebra_landing_messages_total[5m]))", "{{sender}} {{result}}"),
            series("Time to the answer, 99 %", Unit::Seconds)
                .query("histogram_quantile(0.99, sum by (sender, le) (rate(vertebra_landing_ack_seconds_bucket[5m])))", "{{sender}}"),
            series("Connections", Unit::Count).query("sum by (sender) (vertebra_landing_connections)", "{{sender}}"),
            Panel::table("Senders without a habit yet: nobody is told of their silence")
                .query(&no_habit(), "{{sender}}"),
            series("Stored and not translated, per hour", Unit::Count).query(
                "sum by (sender, what, reason) (increase(vertebra_translation_unmapped_total[1h]))",
                "{{sender}} {{what}} {{reason}}",
            ),
        ],
    )
}

/// Silence of senders whose habit is not known from enough weeks.
fn no_habit() -> String {
    format!("{} unless on (sender) {} >= {}", senders::SILENCE, senders::KNOWN, senders::WEEKS_MIN)
}

/// What the catalog promises for each topic, and how it is kept.
fn promises() -> Row {
    let lag = "max by (service, processor, topic) (vertebra_lag_seconds)";
    let of_class =
        |class: &str| format!("{lag} and on (topic) vertebra:topic_lag_limit_seconds{{class=\"{class}\"}}");
    Row::open(
        "Topics against the catalog",
        vec![
            Panel::series("Behind: somebody waits", Unit::Seconds)
                .query(&of_class("interactive"), "{{processor}} {{topic}}"),
            Panel::series("Behind: throughput counts", Unit::Seconds)
                .query(&of_class("batch"), "{{processor}} {{topic}}"),
            Panel::series("Behind, as a part of what is allowed", Unit::Share).query(
                &format!("{lag} / on (topic) group_left () vertebra:topic_lag_limit_seconds"),
                "{{processor}} {{topic}}",
            ),
            Panel::table("Objectives of the catalog, in seconds")
                .query("vertebra:topic_objective_seconds", "{{topic}} ({{class}}, {{owner}})"),
        ],
    )
}

fn waiting() -> Row {
    Row::open(
        "What waits for a person",
        vec![
            Panel::series("Parked, by reason", Unit::Count).query(
                "max by (service, processor, reason) (vertebra_parked_rows)",
                "{{processor}} {{reason}}",
            ),
            Panel::series("Newly parked, per hour", Unit::Count).query(
                "sum by (processor, reason) (increase(vertebra_parked_total[1h]))",
                "{{processor}} {{reason}}",
            ),
            Panel::series("Versions skipped, per hour", Unit::Count).query(
                "sum by (processor) (increase(vertebra_events_total{outcome=\"version_gap\"}[1h]))",
                "{{processor}}",
            ),
            Panel::series("Where the amounts are", Unit::Count).query(
                "max by (sender, facility, currency, place) (vertebra_billing_amount)",
                "{{sender}} {{facility}} {{currency}} {{place}}",
            ),
        ],
    )
}

fn parts() -> Row {
    Row::closed(
        "Parts",
        vec![
            Panel::series("Tried again in place, per minute", Unit::Count)
                .query("sum by (service, what) (increase(vertebra_retries_total[1m]))", "{{service}} {{what}}"),
            Panel::series("Oldest row of the outbox", Unit::Seconds)
                .query("max by (service) (vertebra_outbox_age_seconds)", "{{service}}"),
            Panel::series("Rows of the outbox", Unit::Count)
                .query("max by (service) (vertebra_outbox_rows)", "{{service}}"),
            Panel::series("Relay's transaction, 99 %", Unit::Seconds).query(
                "histogram_quantile(0.99, sum by (service, le) (rate(vertebra_relay_transaction_seconds_bucket[5m])))",
                "{{service}}",
            ),
            Panel::series("Leases lost, per hour", Unit::Count)
                .query("sum by (service, processor) (increase(vertebra_lease_lost_total[1h]))", "{{service}} {{processor}}"),
        ],
    )
}

fn odoo() -> Row {
    let detection = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (model, le) (rate(vertebra_odoo_poller_detection_seconds_bucket[15m])))"
        )
    };
    Row::closed(
        "The world, read",
        vec![
            Panel::series("From a change in Odoo to its publication", Unit::Seconds)
                .query(&detection("0.5"), "{{model}} 50 %")
                .query(&detection("0.99"), "{{model}} 99 %"),
            Panel::series("Rows found late, per hour", Unit::Count)
                .query("sum by (model) (increase(vertebra_odoo_poller_late_rows_total[1h]))", "{{model}}"),
            Panel::series("Rows, by how they ended", Unit::PerSecond).query(
                "sum by (source, outcome) (rate(vertebra_source_rows_total[5m]))",
                "{{source}} {{outcome}}",
            ),
            Panel::series("Gone, and a person is asked", Unit::Count)
                .query("max by (source, kind) (vertebra_source_asks_rows)", "{{source}} {{kind}}"),
        ],
    )
}

/// One row for each service of the catalog: what it reads, and how it works.
fn services(catalog: &Catalog) -> Vec<Row> {
    let mut reads: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for topic in catalog.topics() {
        if let Producer::Service(service) = &topic.producer {
            reads.entry(service.to_string()).or_default();
        }
        for service in &topic.consumers {
            reads.entry(service.to_string()).or_default().insert(&topic.name);
        }
    }
    reads.iter().map(|(service, topics)| of_service(catalog, service, topics)).collect()
}

fn of_service(catalog: &Catalog, service: &str, topics: &BTreeSet<&str>) -> Row {
    let of = |metric: &str| format!("{metric}{{service=\"{service}\"}}");
    let mut panels = Vec::new();
    for topic in topics.iter().filter_map(|name| catalog.topic(name)) {
        panels.push(lag_of(service, topic));
    }
    if !topics.is_empty() {
        panels.extend([
            Panel::series("Events by how they ended", Unit::PerSecond).query(
                &format!("sum by (processor, outcome) (rate({}[5m]))", of("vertebra_events_total")),
                "{{processor}} {{outcome}}",
            ),
            Panel::series("Batches, 99 %", Unit::Seconds).query(
                &format!(
                    "histogram_quantile(0.99, sum by (processor, le) (rate({}[5m])))",
                    of("vertebra_batch_seconds_bucket")
                ),
                "{{processor}}",
            ),
            Panel::series("Lanes owned", Unit::Count)
                .query(&format!("sum by (processor) ({})", of("vertebra_lanes_owned")), "{{processor}}"),
        ]);
    }
    panels.push(
        Panel::series("Published", Unit::PerSecond).query(
            &format!("sum by (topic) (rate({}[5m]))", of("vertebra_relay_records_total")),
            "{{topic}}",
        ),
    );
    Row::closed(service, panels)
}

fn lag_of(service: &str, topic: &Topic) -> Panel {
    let name = &topic.name;
    let lag =
        format!("max by (processor, lane) (vertebra_lag_seconds{{service=\"{service}\", topic=\"{name}\"}})");
    let limit = format!("vertebra:topic_lag_limit_seconds{{topic=\"{name}\"}}");
    Panel::series(&format!("Behind on {name}"), Unit::Seconds)
        .query(&lag, "{{processor}} lane {{lane}}")
        .query(&limit, "somebody is told")
}
