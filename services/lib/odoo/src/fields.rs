//! What this Odoo can do, by the fields that its models have: asked at the start, never guessed from a version's number.

use crate::{Absent, Client, Error};
use std::collections::BTreeSet;

/// The fields of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeSet<String>);

impl Fields {
    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Those of the wanted fields that there are.
    pub fn pick<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        wanted.iter().copied().filter(|name| self.has(name)).collect()
    }
}

impl Client {
    /// The fields of a model; none where the app that brings it is not installed.
    pub async fn fields(&self, model: &str) -> Result<Option<Fields>, Error> {
        match self.fields_get(model, &["type"]).await {
            Ok(fields) => Ok(Some(Fields(fields.into_keys().collect()))),
            Err(Error::Missing { absent: Absent::Model, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
