//! The methods that every model of Odoo has, typed.

use crate::bisect::{Bisect, Verdict};
use crate::error::{Call, Error, Puzzle};
use crate::json_rpc;
use crate::load;
use crate::{Client, Context, ExternalId, LoadAnswer, LoadOutcome, LoadRecord, Maybe, Rejection};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names asked for in one search: PostgreSQL plans longer lists badly.
const NAMES_PER_SEARCH: usize = 1_000;

/// What a `search_read` looks for.
#[derive(Clone, Debug, Default)]
pub struct Search<'a> {
    /// Odoo's domain, such as `[["state", "=", "draft"]]`.
    pub domain: Value,
    /// The fields to read; `id` always comes along.
    pub fields: &'a [&'a str],
    /// Such as `id` or `invoice_date desc`; empty for the model's own.
    pub order: &'a str,
    /// Rows at most.
    pub limit: Option<u32>,
    /// Rows left out at the beginning.
    pub offset: u32,
}

/// Odoo's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Such as 19.
    pub major: u32,
    /// As Odoo writes it, such as `19.0` or `saas~19.1`.
    pub text: String,
}

impl Version {
    /// Whether it has the newer interface.
    pub fn has_json2(&self) -> bool {
        self.major >= 19
    }
}

/// The record under an external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its model.
    pub model: String,
    /// Its database id. The record itself may be gone: raw SQL leaves external ids behind.
    pub id: i64,
}

impl Client {
    /// Odoo's version. Needs no key.
    pub async fn version(&self) -> Result<Version, Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(alias = "server_version")]
            version: String,
            #[serde(alias = "server_version_info")]
            version_info: Vec<Value>,
        }
        let wire: Wire = match self.get(&["web", "version"]).await {
            // Older ones have no such page.
            Err(Error::Missing { .. }) => {
                self.common(Call::new("common", "version"), json_rpc::version()).await?
            }
            answer => answer?,
        };
        // In between releases the first part is a text, "saas~19".
        let major = wire.version_info.first().map(|part| part.to_string()).unwrap_or_default();
        let digits: String = major.chars().filter(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(major) => Ok(Version { major, text: wire.version }),
            Err(_) => Err(Error::Protocol {
                call: Call::new("GET", "web/version"),
                puzzle: Puzzle::Shape { line: 1, column: 1 },
            }),
        }
    }

    /// The fields of a model that exist here, with the attributes asked for: tells what this Odoo can do.
    pub async fn fields_get(
        &self,
        model: &str,
        attributes: &[&str],
    ) -> Result<BTreeMap<String, Value>, Error> {
        self.call(model, "fields_get", &[], json!({"attributes": attributes}), &Context::new()).await
    }

    /// Finds and reads in one call.
    pub async fn search_read<T: DeserializeOwned>(
        &self,
        model: &str,
        search: &Search<'_>,
        context: &Context,
    ) -> Result<Vec<T>, Error> {
        let domain = if search.domain.is_null() { json!([]) } else { search.domain.clone() };
        let mut args = json!({"domain": domain, "fields": search.fields, "offset": search.offset});
        if let Some(limit) = search.limit {
            args["limit"] = limit.into();
        }
        if !search.order.is_empty() {
            args["order"] = search.order.into();
        }
        self.call(model, "search_read", &[], args, context).await
    }

    /// Reads records. Ids that do not exist are left out by Odoo, without an error.
    pub async fn read<T: DeserializeOwned>(
        &self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<T>, Error> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        self.call(model, "read", ids, json!({"fields": fields}), context).await
    }

    /// Creates records; their ids in order. Odoo's defaults apply, and a repeat creates them again: what must exist once
    /// goes through [`Client::load`].
    pub async fn create(&self, model: &str, values: &[Value], context: &Context) -> Result<Vec<i64>, Error> {
        let ids: Vec<i64> = self.call(model, "create", &[], json!({"vals_list": values}), context).await?;
        match ids.len() == values.len() {
            true => Ok(ids),
            false => Err(Error::Protocol {
                call: Call::new(model, "create"),
                puzzle: Puzzle::Count { asked: values.len(), got: ids.len() },
            }),
        }
    }

    /// Loads records in one call and one transaction. `fields` are the columns, `id` (the external id) among them; with
    /// [`Context::create_only`] a repeat changes nothing, without it a repeat overwrites.
    ///
    /// Each external id at most once in a call, lines included: see [`crate::invoice`] for what becomes of others.
    pub async fn load(
        &self,
        model: &str,
        fields: &[&str],
        records: &[LoadRecord],
        context: &Context,
    ) -> Result<LoadAnswer, Error> {
        if records.is_empty() {
            return Ok(LoadAnswer::Loaded(vec![]));
        }
        let rows: Vec<Vec<&str>> = records
            .iter()
            .flat_map(|record| &record.rows)
            .map(|row| row.iter().map(|cell| cell.reveal().as_str()).collect())
            .collect();
        let args = json!({"fields": fields, "data": rows});
        let wire: load::Wire = self.call(model, "load", &[], args, context).await?;
        LoadAnswer::read(Call::new(model, "load"), records.len(), wire)
    }

    /// Loads records in as few calls as the bad ones among them allow: one outcome per record, in order. An `Err` (Odoo
    /// unavailable, not configured) may leave earlier records loaded; with external ids the same call again finds them.
    pub async fn load_bisected(
        &self,
        model: &str,
        fields: &[&str],
        records: &[LoadRecord],
        context: &Context,
    ) -> Result<Vec<LoadOutcome>, Error> {
        let mut bisect = Bisect::new(records.len());
        while let Some(range) = bisect.next_range() {
            bisect.tell(match self.load(model, fields, &records[range], context).await {
                Ok(LoadAnswer::Contended) | Err(Error::Contended { .. }) => Verdict::Contended,
                Ok(LoadAnswer::Loaded(ids)) => Verdict::Loaded(ids),
                Ok(LoadAnswer::Rejected(messages)) => Verdict::Rejected(Rejection::Messages(messages)),
                Err(Error::Refused { refusal, .. }) => Verdict::Rejected(Rejection::Refusal(refusal)),
                Err(error) => return Err(error),
            });
        }
        Ok(bisect.into_outcomes())
    }

    /// Which of the external ids exist, and what they name.
    pub async fn external_ids(&self, ids: &[&ExternalId]) -> Result<BTreeMap<ExternalId, Known>, Error> {
        let mut by_module: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for id in ids {
            by_module.entry(id.module()).or_default().insert(id.name());
        }
        let mut known = BTreeMap::new();
        for (module, names) in by_module {
            let names: Vec<&str> = names.into_iter().collect();
            for names in names.chunks(NAMES_PER_SEARCH) {
                let domain = json!([["module", "=", module], ["name", "in", names]]);
                known.extend(self.external_id_rows(domain).await?);
            }
        }
        Ok(known)
    }

    /// Rows of `ir.model.data`.
    pub(crate) async fn external_id_rows(&self, domain: Value) -> Result<Vec<(ExternalId, Known)>, Error> {
        #[derive(Deserialize)]
        struct Row {
            module: String,
            name: String,
            model: String,
            res_id: Maybe<i64>,
        }
        let search = Search {
            domain,
            fields: &["module", "name", "model", "res_id"],
            order: "id",
            ..Search::default()
        };
        let rows: Vec<Row> = self.search_read("ir.model.data", &search, &Context::new()).await?;
        let known = |row: Row| {
            // Other people's external ids may be written in ways that ours are not: they are none that we asked for.
            let id = ExternalId::new(&row.module, &row.name).ok()?;
            Some((id, Known { model: row.model, id: row.res_id.0? }))
        };
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// The database's own id: another one means a restored, copied or neutralised database.
    pub async fn database_uuid(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Row {
            value: String,
        }
        let domain = json!([["key", "=", "database.uuid"]]);
        let search = Search { domain, fields: &["value"], limit: Some(1), ..Search::default() };
        let rows: Vec<Row> = self.search_read("ir.config_parameter", &search, &Context::new()).await?;
        let count = rows.len();
        rows.into_iter().next().map(|row| row.value).ok_or_else(|| Error::Protocol {
            call: Call::new("ir.config_parameter", "search_read"),
            puzzle: Puzzle::Count { asked: 1, got: count },
        })
    }
}
