//! Credit notes: written like invoices, and set off by Odoo only where the invoice was in the books before.

use super::{World, decimal};
use odoo::Rejection;
use odoo::invoice::{Created, InvoiceDraft, MoveType, Posted, Reason};

impl World {
    /// A credit note over one line of this amount.
    pub(crate) fn credit(&self, invoice: &InvoiceDraft, amount: &str) -> InvoiceDraft {
        let reverses = Some(invoice.external_id.clone());
        InvoiceDraft { move_type: MoveType::OutRefund { reverses }, ..self.draft(&[("1", amount)]) }
    }

    /// Creates one and posts it.
    pub(crate) async fn posted(&self, draft: &InvoiceDraft) -> i64 {
        let id = self.create(draft).await;
        assert_eq!(self.invoices.post(&[id]).await.unwrap(), [Posted::Posted]);
        id
    }

    /// Payment state and residual.
    pub(crate) async fn check_open(&self, draft: &InvoiceDraft, payment_state: &str, residual: &str) {
        let found = self.find(draft).await.unwrap();
        assert_eq!((found.payment_state.as_str(), found.residual), (payment_state, decimal(residual)));
    }
}

pub(crate) async fn a_credit_note_is_written_like_an_invoice_and_set_off_when_it_is_posted(world: &World) {
    let invoice = world.draft(&[("1", "100"), ("1", "50")]);
    world.posted(&invoice).await;
    let (part, rest) = (world.credit(&invoice, "50"), world.credit(&invoice, "100"));
    let part_id = world.create(&part).await;
    assert_eq!(world.create(&part).await, part_id);
    assert_eq!(world.differences(&part).await, [""; 0]);
    world.check_open(&part, "not_paid", "50").await;
    world.check_open(&invoice, "not_paid", "150").await;
    assert_eq!(world.invoices.post(&[part_id]).await.unwrap(), [Posted::Posted]);
    world.check_open(&part, "paid", "0").await;
    world.check_open(&invoice, "partial", "100").await;
    world.posted(&rest).await;
    world.check_open(&invoice, "reversed", "0").await;
    let found = world.find(&rest).await.unwrap();
    assert!(found.number.unwrap().starts_with("RINV/2026/"));
    assert_eq!(found.reverses.unwrap().external, std::slice::from_ref(&invoice.external_id));
    let over = world.credit(&invoice, "10");
    world.posted(&over).await;
    world.check_open(&over, "not_paid", "10").await;
    world.check_open(&invoice, "reversed", "0").await;
}

pub(crate) async fn a_credit_note_for_an_invoice_that_is_not_there_is_refused(world: &World) {
    let invoice = world.draft(&[("1", "10")]);
    let credit = world.credit(&invoice, "10");
    let outcome = world.invoices.create_only(std::slice::from_ref(&credit)).await.unwrap();
    let [Created::Refused(Reason::Odoo(Rejection::Messages(messages)))] = &outcome[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(messages[0].field.as_deref(), Some("reversed_entry_id"));
}

pub(crate) async fn invoices_and_credit_notes_of_others_go_in_one_batch(world: &World) {
    let invoice = world.draft(&[("1", "10")]);
    world.posted(&invoice).await;
    let drafts = [world.draft(&[("1", "1")]), world.credit(&invoice, "10"), world.draft(&[("1", "2")])];
    let outcomes = world.invoices.create_only(&drafts).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Created::Loaded(_))), "{outcomes:?}");
    for draft in &drafts {
        assert_eq!(world.differences(draft).await, [""; 0]);
    }
}

pub(crate) async fn a_credit_note_posted_with_or_before_its_invoice_stays_open(world: &World) {
    for together in [true, false] {
        let invoice = world.draft(&[("1", "30")]);
        let invoice_id = world.create(&invoice).await;
        let credit = world.credit(&invoice, "30");
        let credit_id = world.create(&credit).await;
        let calls = if together {
            vec![vec![invoice_id, credit_id]]
        } else {
            vec![vec![credit_id], vec![invoice_id]]
        };
        for ids in calls {
            world.invoices.post(&ids).await.unwrap();
        }
        world.check_open(&invoice, "not_paid", "30").await;
        world.check_open(&credit, "not_paid", "30").await;
    }
}

pub(crate) async fn a_line_of_the_invoice_is_never_taken_by_its_credit_note(world: &World) {
    let invoice = world.draft(&[("1", "30")]);
    world.posted(&invoice).await;
    let mut credit = world.credit(&invoice, "30");
    credit.lines[0].external_id = invoice.lines[0].external_id.clone();
    let outcome = world.invoices.create_only(&[credit]).await.unwrap();
    assert_eq!(outcome, [Created::Refused(Reason::LineTaken { line: 0 })]);
}
