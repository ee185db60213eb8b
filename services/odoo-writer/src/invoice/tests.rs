use super::*;
use crate::sample::{line, request};

fn known(names: &[(&str, &str)]) -> BTreeMap<ExternalId, Known> {
    let known = |(name, model): &(&str, &str)| {
        (ExternalId::ours(name).unwrap(), Known { model: (*model).to_owned(), id: 1 })
    };
    names.iter().map(known).collect()
}

fn books() -> Books {
    let dollar = Currency { id: 1, decimals: 2 };
    Books {
        company: 1,
        journal: Ref::Id(7),
        self_pay: ExternalId::ours("partner_self_pay").unwrap(),
        taxes: Taxes::None,
        account: None,
        currencies: BTreeMap::from([("USD".to_owned(), dollar)]),
        known: known(&[("item_4711", "product.product"), ("payer_AOK", "res.partner")]),
    }
}

fn asked() -> InvoiceRequest {
    request(1, &[("4711", "12.34"), ("4711", "0.10")])
}

#[track_caller]
fn refused(edit: impl FnOnce(&mut InvoiceRequest, &mut Books), reason: &str) {
    let (mut request, mut books) = (asked(), books());
    edit(&mut request, &mut books);
    assert_eq!(draft(&request, &books).unwrap_err().to_string(), reason);
}

#[track_caller]
fn drafted(edit: impl FnOnce(&mut InvoiceRequest, &mut Books)) -> InvoiceDraft {
    let (mut request, mut books) = (asked(), books());
    edit(&mut request, &mut books);
    let draft = draft(&request, &books).unwrap();
    assert_eq!(draft.check(), Ok(()));
    draft
}

#[test]
fn every_line_costs_its_extended_amount_once() {
    let draft = drafted(|_, _| {});
    let lines: Vec<String> = draft
        .lines
        .iter()
        .map(|line| format!("{} {} {} {}", line.external_id, line.product, line.quantity, line.price_unit))
        .collect();
    let id = &asked().request;
    assert_eq!(draft.external_id.to_string(), format!("__vertebra__.invoice_{id}"));
    let line =
        |position, price| format!("__vertebra__.line_{id}-{position} __vertebra__.item_4711 1 {price}");
    assert_eq!(lines, [line(1, "12.34"), line(2, "0.1")]);
    assert_eq!(draft.untaxed().unwrap().to_string(), "12.44");
    assert_eq!(draft.invoice_date.to_string(), "2026-01-05");
}

#[test]
fn the_payer_pays_where_odoo_has_one_and_else_the_self_pay_partner() {
    let partner = |payer: Option<&str>, books: fn(&mut Books)| {
        let draft = drafted(|request, those| {
            request.payer = payer.map(str::to_owned);
            books(those);
        });
        let Ref::External(id) = draft.partner else { panic!() };
        id.name().to_owned()
    };
    let as_it_is = |_: &mut Books| {};
    assert_eq!(partner(Some("AOK"), as_it_is), "payer_AOK");
    assert_eq!(partner(Some("TK"), as_it_is), "partner_self_pay");
    assert_eq!(partner(None, as_it_is), "partner_self_pay");
    let no_partner = |books: &mut Books| books.known.extend(known(&[("payer_AOK", "res.users")]));
    assert_eq!(partner(Some("AOK"), no_partner), "partner_self_pay");
}

#[test]
fn texts_are_one_line_and_tell_the_quantity() {
    let text = |description: Option<&str>, quantity: &str| {
        let draft = drafted(|request, _| {
            request.lines[0].description = description.map(|text| Phi(text.to_owned()));
            request.lines[0].quantity = quantity.parse().unwrap();
        });
        draft.lines[0].name.reveal().clone()
    };
    assert_eq!(text(None, "1"), "4711");
    assert_eq!(text(Some(" "), "2.5"), "4711 × 2.5");
    assert_eq!(text(Some(" MRI,\r\n\u{0} 30% \u{7}off"), "1.0"), "MRI, 30% off");
}

#[test]
fn the_visits_number_is_the_reference_and_is_not_printed() {
    let draft = drafted(|request, _| request.visit_number = Phi("V-0815".to_owned()));
    assert_eq!(draft.reference.as_ref().unwrap().reveal(), "V-0815");
    assert!(!format!("{draft:?}").contains("0815"));
    let draft = drafted(|_, _| {});
    assert_eq!(draft.reference.unwrap().reveal(), &asked().request);
}

#[test]
fn what_cannot_be_an_invoice_is_refused_with_what_is_wrong() {
    let no_product = |codes: &str| {
        format!(
            "odoo has no product for the charge codes {codes}: give products the external ids __vertebra__.item_<code>"
        )
    };
    let unknown = |request: &mut InvoiceRequest, _: &mut Books| {
        for (line, code) in request.lines.iter_mut().zip(["A/1", "B"]) {
            line.code = code.to_owned();
        }
    };
    refused(unknown, &no_product("A/1, B"));
    let other_model = |_: &mut InvoiceRequest, books: &mut Books| {
        books.known = known(&[("item_4711", "product.template")]);
    };
    refused(other_model, &no_product("4711"));
    refused(
        |request, _| request.currency = "EUR".into(),
        "odoo has no active currency EUR: activate it there",
    );
    refused(
        |request, _| request.lines[1].amount = "0.101".parse().unwrap(),
        "line 2: the amount has more decimals than USD has",
    );
    refused(|request, _| request.lines.clear(), "no lines");
    refused(
        |request, _| request.lines[1].amount = "0.11".parse().unwrap(),
        "the request's total is not the sum of its lines",
    );
    let negative = |request: &mut InvoiceRequest, _: &mut Books| {
        request.lines = vec![line(&request.request, 1, "4711", "-1")];
        request.total = "-1".parse().unwrap();
    };
    refused(negative, "the sum of an invoice is below zero: that needs a credit note");
    refused(
        |request, _| request.invoice_date = Date(i32::MAX),
        "the invoice's date is no day of the calendar",
    );
    refused(
        |request, _| request.lines[0].code.clear(),
        "an id or a code of the request makes no external id",
    );
}
