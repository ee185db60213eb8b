use super::*;
use crate::sample::{line, request};

fn known(names: &[(&str, &str)]) -> BTreeMap<ExternalId, Known> {
    let known = |(name, model): &(&str, &str)| {
        (ExternalId::ours(name).unwrap(), Known { model: (*model).to_owned(), id: 1 })
    };
    names.iter().map(known).collect()
}

fn place(company: i64, journal: i64) -> Place {
    Place { company, journal: Ref::Id(journal), taxes: Taxes::None, account: None }
}

fn books() -> Books {
    let dollar = Currency { id: 1, decimals: 2 };
    Books {
        places: BTreeMap::from([((None, None), Ok(place(1, 7)))]),
        self_pay: ExternalId::ours("partner_self_pay").unwrap(),
        currencies: BTreeMap::from([("USD".to_owned(), dollar)]),
        known: known(&[("item_4711", "product.product"), ("payer_AOK", "res.partner")]),
        reversed: BTreeMap::new(),
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
fn the_payer_pays_and_where_there_is_none_the_self_pay_partner() {
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
    assert_eq!(partner(None, as_it_is), "partner_self_pay");
    let another = |books: &mut Books| books.known.extend(known(&[("payer_T.2fK", "res.partner")]));
    assert_eq!(partner(Some("T/K"), another), "payer_T.2fK");
}

#[test]
fn a_payer_whom_odoo_does_not_know_is_never_taken_for_the_patient() {
    let text = |payer: &str, id: &str| {
        format!(
            "odoo has no partner for the payer {payer}: give the partner who is to pay the external id \
             __vertebra__.{id}, or decide who pays"
        )
    };
    refused(|request, _| request.payer = Some("T/K".to_owned()), &text("T/K", "payer_T.2fK"));
    let no_partner = |request: &mut InvoiceRequest, books: &mut Books| {
        request.payer = Some("AOK".to_owned());
        books.known.extend(known(&[("payer_AOK", "res.users")]));
    };
    refused(no_partner, &text("AOK", "payer_AOK"));
    let unnamed = "an id or a code of the request makes no external id";
    refused(|request, _| request.payer = Some(String::new()), unnamed);
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

fn note(request: &mut InvoiceRequest) {
    request.kind = RequestKind::CreditNote;
    request.reverses = Some("R-1".to_owned());
}

#[test]
fn a_credit_note_reverses_what_is_posted() {
    let reversed = invoice_id("R-1").unwrap();
    let is = |state: MoveState| {
        let reversed = reversed.clone();
        move |request: &mut InvoiceRequest, books: &mut Books| {
            note(request);
            let (total, back) = (Decimal::new(1_244, 2), GivenBack::default());
            books.reversed.insert(reversed, Reversed { state, partner: Some(77), total, back });
        }
    };
    let draft = drafted(is(MoveState::Posted));
    assert_eq!(draft.move_type, MoveType::OutRefund { reverses: Some(reversed.clone()) });
    assert_eq!(draft.untaxed().unwrap().to_string(), "12.44");
    // It goes to whom the invoice went, whoever is the payer's partner by now.
    assert_eq!(draft.partner, Ref::Id(77));
    let gone = "the invoice that is to be reversed was deleted in odoo: decide what is owed";
    refused(|request, _| note(request), gone);
    let text = "the invoice that is to be reversed was cancelled in odoo: decide what is owed";
    refused(is(MoveState::Cancel), text);
    let text =
        "the invoice that is to be reversed was made a draft again in odoo: post it, or decide what is owed";
    refused(is(MoveState::Draft), text);
    // The credit note is there already: what became of the invoice since is not its affair.
    let there = drafted(|request, books| {
        note(request);
        books.known.extend(known(&[(&format!("invoice_{}", request.request), "account.move")]));
    });
    assert_eq!(there.move_type, MoveType::OutRefund { reverses: Some(reversed) });
    let alone = drafted(|request, _| request.kind = RequestKind::CreditNote);
    assert_eq!(alone.move_type, MoveType::OutRefund { reverses: None });
    refused(
        |request, _| request.kind = RequestKind::Unknown,
        "a kind of request that this release does not know",
    );
}

#[test]
fn a_request_goes_where_it_says() {
    let elsewhere = |request: &mut InvoiceRequest, place: Result<Place, Unplaced>, books: &mut Books| {
        request.company = Some("base.north".to_owned());
        books.places.insert(place_said(request), place);
    };
    let draft = drafted(|request, books| {
        elsewhere(request, Ok(place(2, 9)), books);
    });
    assert_eq!((draft.company, draft.journal), (2, Ref::Id(9)));
    refused(
        |request, books| {
            elsewhere(request, Err(Unplaced::Company { company: "base.north".to_owned() }), books);
        },
        "odoo has no company base.north that the API key's user may use: name one by its external id or its database id",
    );
}
