//! The Odoo that is asked: the client with its key's file, the companies seen, and which fields there are.

use ::odoo::{Client, Consequence, Context, Denial, Error, Fields, Link, Search, Secret};
use backbone::mutant::{self, Mutant};
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tokio::sync::Mutex;

/// Ids read in one call.
const IDS_PER_CALL: usize = 1_000;

/// What is asked of Odoo, and as whom.
#[derive(Debug)]
pub struct Odoo {
    pub(crate) client: Client,
    /// The companies whose records are read; `standard_price` is the first one's.
    companies: Vec<i64>,
    /// How far windows reach back behind the one before.
    pub(crate) overlap: SignedDuration,
    key_file: PathBuf,
    fields: Mutex<BTreeMap<&'static str, Fields>>,
}

/// A many2one whose name is a code or the name of a company, a currency or a unit; never a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: i64,
    pub(crate) name: String,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (id, name) = <(i64, String)>::deserialize(deserializer)?;
        Ok(Self { id, name })
    }
}

impl Odoo {
    /// Through this client, with a view of these companies, all of the user's when none is named. The key's file is read
    /// again when Odoo denies the key.
    pub fn new(client: Client, companies: Vec<i64>, overlap: SignedDuration, key_file: PathBuf) -> Self {
        let overlap = if mutant::is(Mutant::NoOverlap) { SignedDuration::ZERO } else { overlap };
        Self { client, companies, overlap, key_file, fields: Mutex::default() }
    }

    /// Archived records too, of these companies.
    pub(crate) fn context(&self) -> Context {
        match self.companies.is_empty() {
            true => Context::new(),
            false => Context::new().companies(&self.companies),
        }
    }

    /// The fields of a model that are there, of those wanted; none where its app is not installed. What there is, is asked
    /// once; what is not there, again and again.
    pub(crate) async fn fields(
        &self,
        model: &'static str,
        wanted: &[&'static str],
    ) -> Result<Option<Vec<&'static str>>, Error> {
        let mut known = self.fields.lock().await;
        if !known.contains_key(model) {
            let Some(fields) = self.client.fields(model).await? else { return Ok(None) };
            known.insert(model, fields);
        }
        Ok(known.get(model).map(|fields| fields.pick(wanted)))
    }

    /// Records by their ids; those that are gone are left out.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        model: &'static str,
        ids: impl IntoIterator<Item = i64>,
        wanted: &[&'static str],
    ) -> Result<Vec<T>, Error> {
        let ids: Vec<i64> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut rows = vec![];
        if ids.is_empty() {
            return Ok(rows);
        }
        let Some(fields) = self.fields(model, wanted).await? else { return Ok(rows) };
        for ids in ids.chunks(IDS_PER_CALL) {
            rows.extend(self.client.read::<T>(model, ids, &fields, &self.context()).await?);
        }
        Ok(rows)
    }

    /// Records of a domain, by id.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        model: &'static str,
        domain: serde_json::Value,
        wanted: &[&'static str],
    ) -> Result<Vec<T>, Error> {
        let Some(fields) = self.fields(model, wanted).await? else { return Ok(vec![]) };
        let search = Search { domain, fields: &fields, order: "id", ..Search::default() };
        self.client.search_read(model, &search, &self.context()).await
    }

    /// The names of our own external ids, by the record's id.
    pub(crate) async fn ours(
        &self,
        model: &'static str,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<BTreeMap<i64, String>, Error> {
        #[derive(Deserialize)]
        struct Row {
            res_id: i64,
            name: String,
        }
        let ids: Vec<i64> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut names = BTreeMap::new();
        for ids in ids.chunks(IDS_PER_CALL) {
            let domain =
                json!([["module", "=", ::odoo::OUR_MODULE], ["model", "=", model], ["res_id", "in", ids]]);
            let rows: Vec<Row> = self.find("ir.model.data", domain, &["res_id", "name"]).await?;
            names.extend(rows.into_iter().map(|row| (row.res_id, row.name)));
        }
        Ok(names)
    }

    /// After a denied key its file is read again: keys live three months at most.
    pub(crate) async fn after(&self, error: &Error) {
        if !matches!(error, Error::Denied { denial: Denial::Key, .. }) {
            return;
        }
        match tokio::fs::read_to_string(&self.key_file).await {
            Ok(key) => {
                if self.client.set_key(&Secret::new(&key)).is_err() {
                    tracing::warn!(file = %self.key_file.display(), "the API key's file holds no usable key");
                }
            }
            Err(error) => {
                tracing::warn!(file = %self.key_file.display(), %error, "the API key's file cannot be read");
            }
        }
    }
}

/// Whether a person has to change something before the same call can work.
pub(crate) fn is_configuration(error: &Error) -> bool {
    error.consequence() == Consequence::Configure
}

/// The id of a link in a row of JSON.
pub(crate) fn link(value: &serde_json::Value) -> Option<i64> {
    serde_json::from_value::<Link>(value.clone()).ok().map(|link| link.0)
}
