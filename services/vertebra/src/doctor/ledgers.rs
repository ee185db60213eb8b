//! PostgreSQL: whether it answers, which services have a ledger there, and its clock.

use super::{Line, clock, here, words};
use crate::ledger::open;
use backbone::postgres::look;
use backbone::settings::ServiceUrl;
use canon::Catalog;
use std::collections::BTreeSet;

const POSTGRES: &str = "PostgreSQL";

pub(super) async fn examine(url: &ServiceUrl) -> Vec<Line> {
    let names = match look::ledgers(url).await {
        Ok(names) => names,
        Err(error) => {
            let then = "see whether it runs, and compare --postgres-url and the password with it";
            return vec![Line::failed(POSTGRES, "answer", words(&error), then)];
        }
    };
    let mut lines = vec![Line::ok(POSTGRES, "answer", "it answers")];
    if names.is_empty() {
        let then = "start the services: each makes its own; or name the database that they use";
        lines.push(Line::warning(POSTGRES, "ledgers", "this database has none", then));
        return lines;
    }
    let known: BTreeSet<String> = Catalog::builtin()
        .topics()
        .flat_map(|topic| topic.consumers.iter().map(ToString::to_string))
        .collect();
    let missing: Vec<&String> = known.iter().filter(|name| !names.contains(name)).collect();
    lines.push(match missing.as_slice() {
        [] => Line::ok(POSTGRES, "ledgers", names.join(", ")),
        missing => Line::warning(
            POSTGRES,
            "ledgers",
            format!("none of {}", missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")),
            "start them, when they are part of this installation",
        ),
    });
    for name in &names {
        lines.push(match open(url.clone(), name).await {
            Ok(store) => match look::processors(&store).await {
                Ok(_) => Line::ok(POSTGRES, name, "its ledger may be read"),
                Err(error) => denied(name, &words(&error)),
            },
            Err(error) => denied(name, &words(&error)),
        });
    }
    lines.extend(time(url, &names[0]).await);
    lines
}

fn denied(name: &str, said: &str) -> Line {
    Line::failed(POSTGRES, name, said, "give this user USAGE on its schema and SELECT on the tables")
}

async fn time(url: &ServiceUrl, service: &str) -> Option<Line> {
    let store = open(url.clone(), service).await.ok()?;
    // Once before, since making a connection takes its time.
    look::clock(&store).await.ok()?;
    let asked = here();
    let theirs = look::clock(&store).await.ok()?;
    Some(clock("the database", theirs, asked, here()))
}
