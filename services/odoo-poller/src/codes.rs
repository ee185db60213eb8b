//! Which of Odoo's records a code stands for: codes are people's, and Odoo lets several records have one.
//!
//! The lowest active id keeps the code, else the lowest; the others, and records without a code, are known as `id:<id>`.
//! What decides is the group as Odoo has it when a record of it is read; [`Shared`] remembers the groups of more than one,
//! so that the others are looked at again when any of them changes or goes.

use crate::books::Odoo;
use crate::figures::Figures;
use ::odoo::Error;
use canon::key::ItemCode;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// A model whose records have a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coded {
    pub(crate) model: &'static str,
    /// Which of its records: a domain in which every condition holds, as JSON.
    pub(crate) domain: &'static str,
    /// The field of the code.
    pub(crate) field: &'static str,
}

pub(crate) const ITEMS: Coded = Coded { model: "product.product", domain: "[]", field: "default_code" };
pub(crate) const LOCATIONS: Coded = Coded { model: "stock.location", domain: "[]", field: "barcode" };
/// Who is no person, or supplies us.
pub(crate) const PARTNERS: Coded = Coded {
    model: "res.partner",
    domain: r#"["|", ["is_company", "=", true], ["supplier_rank", ">", 0]]"#,
    field: "ref",
};

/// A record and its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: i64,
    pub(crate) code: Option<String>,
    pub(crate) is_active: bool,
}

/// Codes with more than one holder, as far as they were met.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<BTreeSet<String>>);

impl Coded {
    /// What the records are known as, and those that share a code with one of them or shared one when last seen.
    pub(crate) async fn known_as(
        &self,
        odoo: &Odoo,
        shared: &Shared,
        figures: &Figures,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<BTreeMap<i64, String>, Error> {
        let ids: BTreeSet<i64> = ids.into_iter().collect();
        let asked = match ids.is_empty() {
            true => vec![],
            false => self.holders(odoo, json!(["id", "in", ids])).await?,
        };
        let mut codes: BTreeSet<String> = asked.iter().filter_map(|holder| holder.code.clone()).collect();
        codes.extend(shared.codes());
        let mut holders: BTreeMap<i64, Holder> =
            asked.into_iter().map(|holder| (holder.id, holder)).collect();
        if !codes.is_empty() {
            let codes: Vec<String> = codes.into_iter().collect();
            let all = self.holders(odoo, json!([self.field, "in", codes])).await?;
            holders.extend(all.into_iter().map(|holder| (holder.id, holder)));
        }
        let holders: Vec<Holder> = holders.into_values().collect();
        shared.replace(groups(&holders).into_iter().filter(|(_, ids)| ids.len() > 1).map(|(code, _)| code));
        figures.codes_shared(self.model, shared.codes().len());
        Ok(known_as(&holders))
    }

    async fn holders(&self, odoo: &Odoo, condition: serde_json::Value) -> Result<Vec<Holder>, Error> {
        let mut domain = conditions(self.domain);
        domain.push(condition);
        let rows: Vec<serde_json::Value> =
            odoo.find(self.model, domain.into(), &["active", self.field]).await?;
        Ok(rows.iter().map(|row| self.holder(row)).collect())
    }

    fn holder(&self, row: &serde_json::Value) -> Holder {
        #[derive(Deserialize)]
        struct Text(String);
        let text = serde_json::from_value::<Text>(row[self.field].clone()).ok().map(|text| text.0);
        let code = text.map(|code| code.trim().to_owned());
        let is_active = row["active"].as_bool().unwrap_or(true);
        Holder {
            id: row["id"].as_i64().unwrap_or_default(),
            code: code.filter(|code| stands(code)),
            is_active,
        }
    }
}

impl Shared {
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, codes: impl IntoIterator<Item = String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = codes.into_iter().collect();
    }
}

/// A domain that is written here, as a literal.
pub(crate) fn conditions(domain: &'static str) -> Vec<serde_json::Value> {
    serde_json::from_str(domain).unwrap_or_default()
}

/// Whether a text can be a code: not empty, short enough for a key, and none of those that are given to records without
/// one. (The codes of all models have one form.)
fn stands(code: &str) -> bool {
    ItemCode::of(code).is_ok() && !code.starts_with("id:")
}

/// Holders by code.
fn groups(holders: &[Holder]) -> BTreeMap<String, Vec<&Holder>> {
    let mut groups = BTreeMap::<String, Vec<&Holder>>::new();
    for holder in holders {
        if let Some(code) = &holder.code {
            groups.entry(code.clone()).or_default().push(holder);
        }
    }
    groups
}

/// What each record is known as; the holders of a code have to be complete.
pub(crate) fn known_as(holders: &[Holder]) -> BTreeMap<i64, String> {
    let keeper =
        |group: &[&Holder]| group.iter().map(|holder| (!holder.is_active, holder.id)).min().map(|(_, id)| id);
    let keepers: BTreeMap<i64, String> =
        groups(holders).into_iter().filter_map(|(code, group)| Some((keeper(&group)?, code))).collect();
    let name = |id: i64| keepers.get(&id).cloned().unwrap_or_else(|| format!("id:{id}"));
    holders.iter().map(|holder| (holder.id, name(holder.id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(holders: &[(i64, &str, bool)], known: &[(i64, &str)]) {
        let holders: Vec<Holder> = holders
            .iter()
            .map(|(id, code, is_active)| Holder {
                id: *id,
                code: Some((*code).to_owned()).filter(|code| stands(code)),
                is_active: *is_active,
            })
            .collect();
        let expected: BTreeMap<i64, String> =
            known.iter().map(|(id, name)| (*id, (*name).to_owned())).collect();
        assert_eq!(known_as(&holders), expected);
    }

    #[test]
    fn the_lowest_active_holder_keeps_a_code() {
        check(&[(7, "A", true)], &[(7, "A")]);
        check(&[(7, "A", true), (3, "A", true), (9, "B", true)], &[(3, "A"), (7, "id:7"), (9, "B")]);
        check(&[(3, "A", false), (7, "A", true), (9, "A", true)], &[(3, "id:3"), (7, "A"), (9, "id:9")]);
        check(&[(3, "A", false), (7, "A", false)], &[(3, "A"), (7, "id:7")]);
    }

    #[test]
    fn a_record_without_a_usable_code_is_known_by_its_id() {
        let long = "x".repeat(canon::key::CODE_BYTES_MAX + 1);
        check(
            &[(3, "", true), (4, "id:3", true), (5, &long, true)],
            &[(3, "id:3"), (4, "id:4"), (5, "id:5")],
        );
    }
}
