//! What Odoo made of the requests, as the poller says it.

use super::changes::{billed, credit};
use super::*;
use canon::events::billing_invoice::{InvoiceKind, InvoiceLine, InvoiceState};

/// The invoice of request `number` with these lines, posted and unpaid.
pub(super) fn invoice(id: i64, request: usize, lines: &[&str]) -> Invoice {
    let request = format!("{}-{request}", token());
    let amounts: Vec<Money> = lines.iter().map(|amount| amount.parse().unwrap()).collect();
    let line = |(index, amount): (usize, &Money)| InvoiceLine {
        line: Some(format!("{request}-{}", index + 1)),
        code: None,
        amount: *amount,
    };
    let total = Money::sum(amounts.iter().copied()).unwrap();
    Invoice {
        change: Change::Recorded,
        invoice: id,
        encounter: token(),
        number: Some(format!("INV/{id}")),
        kind: InvoiceKind::Invoice,
        state: InvoiceState::Posted,
        payment_state: "not_paid".to_owned(),
        total,
        residual: total,
        currency: "EUR".to_owned(),
        invoice_date: None,
        reverses: None,
        reversed_request: None,
        lines: amounts.iter().enumerate().map(line).collect(),
        ours: true,
        request: Some(request),
    }
}

/// The credit note of request `number`, which reverses request `reverses`.
pub(super) fn note(id: i64, request: usize, reverses: usize, lines: &[&str]) -> Invoice {
    let reversed_request = Some(format!("{}-{reverses}", token()));
    Invoice { kind: InvoiceKind::CreditNote, reversed_request, ..invoice(id, request, lines) }
}

fn payment(id: i64, invoice: i64, amount: &str, state: &str) -> Payment {
    Payment {
        change: Change::Recorded,
        payment: id,
        invoice,
        encounter: token(),
        request: None,
        amount: amount.parse().unwrap(),
        currency: "EUR".to_owned(),
        state: state.to_owned(),
        paid_on: None,
    }
}

/// The case's status and sums, and each request as its row has it.
#[track_caller]
fn check_books(history: &[Step], case: &str, requests: &[&str]) {
    let rig = run(24, history);
    assert_eq!(rig.parked(), []);
    let stated = rig.latest::<Stated>();
    let [is] = &stated[..] else { panic!("{stated:?}") };
    let shown = format!(
        "{}: invoiced {}x {}, credited {}x {}, paid {}x {}, diverged {}x {}",
        is.status.as_str(),
        is.invoiced_count,
        is.invoiced,
        is.credited_count,
        is.credited,
        is.paid_count,
        is.paid,
        is.diverged_count,
        is.diverged,
    );
    assert_eq!(shown, case);
    let text = |row: &serde_json::Value, column: &str| row[column].as_str().unwrap_or("-").to_owned();
    let rows: Vec<String> = rig
        .rows("billing_request")
        .iter()
        .map(|row| {
            let columns = ["state", "odoo_total", "paid", "residual", "credited_by_hand"];
            let columns = columns.map(|column| text(row, column));
            format!("{} {}", row["number"], columns.join(" "))
        })
        .collect();
    assert_eq!(rows, requests);
}

/// What differs, with whoever looks after it and since when.
#[track_caller]
fn check_diverged(invoice: Invoice, expected: &[&str]) {
    check_diverged_after(&[entered(invoice)], expected);
}

#[track_caller]
fn check_diverged_after(steps: &[Step], expected: &[&str]) {
    let rig = run(24, &[&billed()[..], steps].concat());
    assert_eq!(rig.parked(), []);
    let since = serde_json::json!(at(23));
    let rows = rig.rows("billing_diverged");
    assert!(rows.iter().all(|row| row["since"] == since && row["owner"] == "Otto"), "{rows:?}");
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{} by {}", row["what"].as_str().unwrap(), row["amount"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, expected);
}

fn entered(invoice: Invoice) -> Step {
    Step::Entered(invoice)
}

#[test]
fn invoices_and_payments_come_back_into_the_case() {
    let posted = invoice(7, 1, &["100", "50"]);
    let draft = Invoice { state: InvoiceState::Draft, ..posted.clone() };
    let history = |steps: &[Step]| [&billed()[..], steps].concat();
    let nothing = "invoiced 0x 0, credited 0x 0, paid 0x 0, diverged 0x 0";
    check_books(&history(&[]), &format!("billed: {nothing}"), &["1 requested 0 0 0 0"]);
    check_books(&history(&[entered(draft)]), &format!("billed: {nothing}"), &["1 draft 150 0 150 0"]);
    let invoiced = "invoiced: invoiced 2x 150, credited 0x 0, paid 0x 0, diverged 0x 0";
    check_books(&history(&[entered(posted.clone())]), invoiced, &["1 posted 150 0 150 0"]);
    let partly = Invoice { residual: "110".parse().unwrap(), ..posted.clone() };
    let part = [entered(partly), Step::Paid(payment(1, 7, "40", "in_process"))];
    let told = "invoiced: invoiced 2x 150, credited 0x 0, paid 1x 40, diverged 0x 0";
    check_books(&history(&part), told, &["1 posted 150 40 110 0"]);
    let whole = Invoice { residual: Money::ZERO, payment_state: "paid".to_owned(), ..posted };
    let rest = [entered(whole), Step::Paid(payment(2, 7, "110", "paid"))];
    let told = "paid: invoiced 2x 150, credited 0x 0, paid 2x 150, diverged 0x 0";
    check_books(&history(&[&part[..], &rest].concat()), told, &["1 posted 150 150 0 0"]);
    let undone = Payment { change: Change::Withdrawn, ..payment(2, 7, "110", "paid") };
    let bounced = [Step::Paid(undone), Step::Paid(payment(1, 7, "40", "canceled"))];
    let told = "paid: invoiced 2x 150, credited 0x 0, paid 0x 0, diverged 0x 0";
    check_books(&history(&[&part[..], &rest, &bounced].concat()), told, &["1 posted 150 0 0 0"]);
}

#[test]
fn credit_notes_count_whoever_made_them() {
    let base = [&billed()[..], &[entered(invoice(7, 1, &["100", "50"]))]].concat();
    let ours = [credit("c", Some("a"), "-30"), Step::Passes(24), entered(note(8, 2, 1, &["30"]))];
    let told = "invoiced: invoiced 2x 150, credited 1x 30, paid 0x 0, diverged 0x 0";
    let rows = ["1 posted 150 0 150 0", "2 posted 30 0 30 0"];
    check_books(&[&base[..], &ours].concat(), told, &rows);
    let rows = ["1 posted 150 0 150 20"];
    let told = "diverged: invoiced 2x 150, credited 1x 20, paid 0x 0, diverged 1x 20";
    check_books(&[&base[..], &[entered(by_hand("20"))]].concat(), told, &rows);
}

#[test]
fn what_is_paid_out_of_a_credit_note_was_not_paid() {
    let settled = |invoice: Invoice| {
        entered(Invoice { residual: Money::ZERO, payment_state: "paid".to_owned(), ..invoice })
    };
    let paid = [settled(invoice(7, 1, &["100", "50"])), Step::Paid(payment(1, 7, "150", "paid"))];
    let ours = [credit("c", Some("a"), "-30"), Step::Passes(24), settled(note(8, 2, 1, &["30"]))];
    let history = [&billed()[..], &paid, &ours].concat();
    let told = "paid: invoiced 2x 150, credited 1x 30, paid 1x 150, diverged 0x 0";
    check_books(&history, told, &["1 posted 150 150 0 0", "2 posted 30 0 0 0"]);
    let told = "paid: invoiced 2x 150, credited 1x 30, paid 2x 120, diverged 0x 0";
    let rows = ["1 posted 150 150 0 0", "2 posted 30 30 0 0"];
    let paid_out = [Step::Paid(payment(2, 8, "30", "paid"))];
    check_books(&[&history[..], &paid_out].concat(), told, &rows);
    // Heard of before the credit note is.
    check_books(&[&billed()[..], &paid, &paid_out, &ours].concat(), told, &rows);
}

/// What puts the first request right, which should have asked for 100 and 50 instead of 130 and 50: another release found
/// it, asked for what is here, and is what folds now.
fn amending(id: i64, made: &str, amount: &str) -> Invoice {
    let request = Some(format!("{}-1-{made}0123456789ab", token()));
    let mut amending = match made {
        "c" => note(id, 9, 1, &[amount]),
        _ => invoice(id, 9, &[amount]),
    };
    amending.lines[0].line = request.clone().map(|request| format!("{request}-1"));
    Invoice { request, ..amending }
}

#[test]
fn what_puts_a_request_right_counts_with_it() {
    let wrong = || entered(invoice(7, 1, &["130", "50"]));
    let (back, new) = (|| amending(8, "c", "130"), || amending(10, "n", "100"));
    let history = |steps: &[Step]| [&billed()[..], &[wrong()], steps].concat();
    // Until all of it is in Odoo it is not as it should be, and that is told.
    let told = "diverged: invoiced 2x 180, credited 1x 130, paid 0x 0, diverged 1x 100";
    check_books(&history(&[entered(back())]), told, &["1 posted 50 0 50 0"]);
    let told = "invoiced: invoiced 3x 280, credited 1x 130, paid 0x 0, diverged 0x 0";
    let both = [entered(back()), entered(new())];
    check_books(&history(&both), told, &["1 posted 150 0 150 0"]);
    let stated = run(24, &history(&both)).latest::<Stated>().remove(0);
    assert_eq!((stated.requests, stated.requested_count, stated.requested), (3, 4, "150".parse().unwrap()));
    let draft = Invoice { state: InvoiceState::Draft, ..new() };
    let told = "billed: invoiced 2x 180, credited 1x 130, paid 0x 0, diverged 0x 0";
    check_books(&history(&[entered(back()), entered(draft)]), told, &["1 draft 150 0 150 0"]);
    let only = |steps: &[Step], told: &[&str]| {
        check_diverged_after(&[&[wrong(), entered(back()), entered(new())], steps].concat(), told);
    };
    only(&[], &[]);
    let deleted = "all together 50 instead of 150, what puts it right is deleted in odoo by 100";
    only(&[gone(new())], &[deleted]);
    only(&[entered(by_hand("20"))], &["20 was credited by hand by 20"]);
}

#[test]
fn a_request_that_should_not_have_been_and_was_taken_back_is_counted() {
    let taken_back = [
        entered(invoice(8, 2, &["30"])),
        entered(Invoice {
            reversed_request: Some(format!("{}-2", token())),
            request: Some(format!("{}-2-c0123456789ab", token())),
            ..note(9, 9, 2, &["30"])
        }),
    ];
    let told = "invoiced: invoiced 3x 180, credited 1x 30, paid 0x 0, diverged 0x 0";
    let history = [&billed()[..], &[entered(invoice(7, 1, &["100", "50"]))], &taken_back].concat();
    check_books(&history, told, &["1 posted 150 0 150 0"]);
}

/// A credit note that a person made for the first request.
fn by_hand(amount: &str) -> Invoice {
    let mut note = Invoice { request: None, ours: false, ..note(9, 9, 1, &[amount]) };
    note.lines[0].line = None;
    note
}

#[test]
fn what_was_credited_by_hand_is_told_with_an_owner() {
    let as_asked = || entered(invoice(7, 1, &["100", "50"]));
    let draft = Invoice { state: InvoiceState::Draft, ..by_hand("20") };
    check_diverged_after(&[as_asked(), entered(draft.clone())], &[]);
    check_diverged_after(&[as_asked(), entered(by_hand("20"))], &["20 was credited by hand by 20"]);
    check_diverged_after(&[entered(by_hand("20")), as_asked()], &["20 was credited by hand by 20"]);
    check_diverged_after(&[as_asked(), entered(by_hand("20")), entered(draft)], &[]);
    check_diverged_after(&[as_asked(), entered(by_hand("20")), gone(by_hand("20"))], &[]);
    // What was added and what was credited are two differences, though together they come to what was asked.
    check_diverged_after(
        &[entered(invoice(7, 1, &["120", "50"])), entered(by_hand("20"))],
        &["total 170 instead of 150, 20 was credited by hand, line 1: 120 instead of 100 by 40"],
    );
}

#[test]
fn what_a_person_did_to_an_invoice_is_told_with_an_owner() {
    let as_asked = || invoice(7, 1, &["100", "50"]);
    check_diverged(as_asked(), &[]);
    check_diverged(Invoice { state: InvoiceState::Cancelled, ..as_asked() }, &["cancelled in odoo by 150"]);
    check_diverged(
        invoice(7, 1, &["90", "50"]),
        &["total 140 instead of 150, line 1: 90 instead of 100 by 10"],
    );
    check_diverged(invoice(7, 1, &["100"]), &["total 100 instead of 150, line 2 of 50 is gone by 50"]);
    let mut more = invoice(7, 1, &["100", "50", "5"]);
    more.lines[2].line = None;
    check_diverged(more, &["total 155 instead of 150, a line of 5 was added by 5"]);
    check_diverged(Invoice { currency: "USD".to_owned(), ..as_asked() }, &["currency by 0"]);
    check_diverged(
        Invoice { total: "178.5".parse().unwrap(), ..as_asked() },
        &["total 178.5 instead of 150 by 28.5"],
    );
}

/// What the poller says when a move is gone.
fn gone(invoice: Invoice) -> Step {
    entered(Invoice { change: Change::Withdrawn, ..invoice })
}

#[test]
fn an_invoice_that_was_deleted_in_odoo_is_told_until_another_takes_its_place() {
    let posted = || invoice(7, 1, &["100", "50"]);
    let draft = || Invoice { state: InvoiceState::Draft, ..posted() };
    check_diverged_after(&[entered(posted()), gone(posted())], &["deleted in odoo by 150"]);
    check_diverged_after(&[entered(draft()), gone(draft())], &["deleted in odoo by 150"]);
    let told = "diverged: invoiced 0x 0, credited 0x 0, paid 0x 0, diverged 1x 150";
    let history = [&billed()[..], &[entered(posted()), gone(posted())]].concat();
    check_books(&history, told, &["1 deleted 0 0 0 0"]);
    let rows = run(24, &history).rows("billing_account");
    assert_eq!((&rows[0]["deleted"], &rows[0]["requested"]), (&"150".into(), &"0".into()));
    // A draft that was deleted before it took effect is made again, under another id; one that nobody knew is nothing.
    check_diverged_after(&[entered(draft()), gone(draft()), entered(invoice(8, 1, &["100", "50"]))], &[]);
    check_diverged_after(&[gone(posted())], &[]);
    // What a person made by hand leaves nothing behind.
    check_diverged_after(&[entered(posted()), entered(by_hand("20")), gone(by_hand("20"))], &[]);
}

#[test]
fn a_payer_said_otherwise_after_the_request_is_told_with_an_owner() {
    let tk = || payer("5", 1, "TK");
    check_diverged_after(&[tk()], &["payer TK instead of AOK by 150"]);
    check_diverged_after(&[payer("5", 1, "")], &["payer nobody instead of AOK by 150"]);
    check_diverged_after(&[tk(), payer("6", 2, "AOK")], &[]);
    // Said before, and heard of late.
    check_diverged_after(&[payer("5", -30, "TK")], &[]);
    check_diverged_after(&[payer("5", -10, "TK")], &["payer TK instead of AOK by 150"]);
    // What is left of it counts, and nothing of what was given back; what is asked of the new one is no difference.
    let back = [credit("c", Some("a"), "-30"), posted("d", "7"), Step::Passes(24), tk()];
    check_what(&back, &["1 payer TK instead of AOK by 120", "3 payer TK instead of AOK by 7"]);
    let after = [tk(), credit("c", Some("a"), "-30"), posted("d", "7"), Step::Passes(24)];
    check_what(&after, &["1 payer TK instead of AOK by 120"]);
    check_what(&[tk(), withdrawn("a"), withdrawn("b"), Step::Passes(24)], &[]);
    check_what(
        &[credit("c", None, "-30"), Step::Passes(24), tk()],
        &["1 payer TK instead of AOK by 150", "2 payer TK instead of AOK by 30"],
    );
    // With what Odoo has otherwise, the greater of both: it is the same money.
    let edited = [entered(invoice(7, 1, &["90", "50"])), tk()];
    let told = "1 total 140 instead of 150, line 1: 90 instead of 100, payer TK instead of AOK by 150";
    check_what(&edited, &[told]);
}

#[test]
fn a_payer_learned_after_the_request_is_told() {
    let history = [posted("a", "100"), discharged("2", -1), Step::Passes(23)];
    let rig = run(24, &[&history[..], &[payer("5", 1, "AOK")]].concat());
    assert_eq!(what(&rig), ["1 payer AOK instead of nobody by 100"]);
    assert_eq!(rig.latest::<Stated>()[0].status.as_str(), "diverged");
    let rig = run(24, &[&[payer("5", -2, "AOK")], &history[..]].concat());
    assert_eq!(what(&rig), [""; 0]);
}

/// What differs, by request.
fn what(rig: &Rig<Case>) -> Vec<String> {
    let row = |row: &serde_json::Value| {
        let number = row["request"].as_str().unwrap().rsplit('-').next().unwrap().to_owned();
        format!("{number} {} by {}", row["what"].as_str().unwrap(), row["amount"].as_str().unwrap())
    };
    rig.rows("billing_diverged").iter().map(row).collect()
}

#[track_caller]
fn check_what(steps: &[Step], expected: &[&str]) {
    let rig = run(24, &[&billed()[..], steps].concat());
    assert_eq!(rig.parked(), []);
    assert_eq!(what(&rig), expected);
}

#[test]
fn taxes_are_no_difference_where_odoo_adds_them() {
    let taxed = Invoice { total: "178.5".parse().unwrap(), ..invoice(7, 1, &["100", "50"]) };
    let mut rig = Rig::new(folding(Setup { taxed: true, ..setup(24) }));
    go_on(&mut rig, &[&billed()[..], &[entered(taxed)]].concat());
    assert_eq!(rig.rows("billing_diverged"), Vec::<serde_json::Value>::new());
}

#[test]
fn what_diverged_is_told_until_it_is_as_it_was_meant_again() {
    let edited = [&billed()[..], &[entered(invoice(7, 1, &["90", "50"])), Step::Passes(2)]].concat();
    let more = [&edited[..], &[entered(invoice(7, 1, &["80", "50"]))]].concat();
    let rig = run(24, &more);
    let rows = rig.rows("billing_diverged");
    assert_eq!((&rows[0]["since"], &rows[0]["amount"]), (&serde_json::json!(at(23)), &"20".into()));
    assert_eq!(rig.latest::<Stated>()[0].status.as_str(), "diverged");
    let mended = [&more[..], &[entered(invoice(7, 1, &["100", "50"]))]].concat();
    let rig = run(24, &mended);
    assert_eq!(rig.rows("billing_diverged"), Vec::<serde_json::Value>::new());
    assert_eq!(rig.latest::<Stated>()[0].status.as_str(), "invoiced");
}

#[test]
fn an_invoice_that_is_heard_of_before_its_request_is_counted_once_that_is_there() {
    let early = [entered(invoice(7, 1, &["100", "50"]))];
    let told = "invoiced: invoiced 2x 150, credited 0x 0, paid 0x 0, diverged 0x 0";
    check_books(&[&early[..], &billed()].concat(), told, &["1 posted 150 0 150 0"]);
}
