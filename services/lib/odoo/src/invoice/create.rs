//! Writing drafts that are not there yet, several in one call.

use super::Invoices;
use super::draft::InvoiceDraft;
use super::plan::{LINE, MOVE, Present, Reason, Step, plan};
use super::rows::{Shape, record};
use crate::{Context, Error, Known, LoadOutcome};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was there before, under this id, and was left alone: compare it.
    Existing(i64),
    /// It was loaded, under this id, unless another writer was faster by a moment: compare it.
    Loaded(i64),
    /// It will never be written.
    Refused(Reason),
    /// Another transaction was in the way, or the draft this one repeats was held up: again later.
    Retry,
}

impl Invoices {
    /// Writes the drafts that are not there yet: one outcome per draft, in order. Drafts are loaded together; what spoils a
    /// batch is found by halving it.
    ///
    /// Line ids are looked up first, so that no line is taken from another invoice. Between that look and the `load` only
    /// a second writer of the same ids could come: the caller has one writer per key, and [`Invoices::read_back`] would
    /// show it. An `Err` may leave some drafts written; the same call again finds them.
    pub async fn create_only(&self, drafts: &[InvoiceDraft]) -> Result<Vec<Created>, Error> {
        let present = self.present(drafts).await?;
        let steps = plan(drafts, &present);
        let mut loaded = self.load(drafts, &steps).await?;
        let mut outcomes: Vec<Created> = Vec::with_capacity(drafts.len());
        for (index, step) in steps.into_iter().enumerate() {
            let outcome = match step {
                Step::Existing(id) => Created::Existing(id),
                Step::Load => loaded.remove(&index).unwrap_or(Created::Retry),
                Step::Refuse(reason) => Created::Refused(reason),
                Step::SameAs(earlier) => outcomes[earlier].clone(),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn present(&self, drafts: &[InvoiceDraft]) -> Result<Present, Error> {
        let mut ids = vec![];
        for draft in drafts {
            ids.push(&draft.external_id);
            ids.extend(draft.lines.iter().map(|line| &line.external_id));
        }
        let known = self.client.external_ids(&ids).await?;
        let moves = self.alive(MOVE, &known).await?;
        let lines = self.alive(LINE, &known).await?;
        Ok(Present { known, moves, lines })
    }

    /// By `read`, not by a search: a search would hide what another company owns, a `read` is denied.
    async fn alive(&self, model: &str, known: &BTreeMap<impl Ord, Known>) -> Result<BTreeSet<i64>, Error> {
        #[derive(Deserialize)]
        struct Row {
            id: i64,
        }
        let ids: Vec<i64> =
            known.values().filter(|known| known.model == model).map(|known| known.id).collect();
        let rows: Vec<Row> = self.client.read(model, &ids, &["id"], &self.context()).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    async fn load(&self, drafts: &[InvoiceDraft], steps: &[Step]) -> Result<BTreeMap<usize, Created>, Error> {
        let mut calls: BTreeMap<Shape, Vec<usize>> = BTreeMap::new();
        for (index, draft) in drafts.iter().enumerate().filter(|(index, _)| steps[*index] == Step::Load) {
            calls.entry(Shape::of(draft)).or_default().push(index);
        }
        let mut outcomes = BTreeMap::new();
        for (shape, indices) in calls {
            let records: Vec<_> = indices.iter().map(|index| record(&drafts[*index])).collect();
            let context = Context::new().companies(&[shape.company()]).create_only();
            let loaded = self.client.load_bisected(MOVE, &shape.columns(), &records, &context).await?;
            outcomes.extend(indices.into_iter().zip(loaded.into_iter().map(Created::from)));
        }
        Ok(outcomes)
    }
}

impl From<LoadOutcome> for Created {
    fn from(outcome: LoadOutcome) -> Self {
        match outcome {
            LoadOutcome::Loaded(id) => Self::Loaded(id),
            LoadOutcome::Rejected(rejection) => Self::Refused(Reason::Odoo(rejection)),
            LoadOutcome::Retry => Self::Retry,
        }
    }
}
