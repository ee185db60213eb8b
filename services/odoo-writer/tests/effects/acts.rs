//! The effect as the runtime asks for it, and its outcomes in words.

use backbone::{Fact, Outcome, Reject, Sink};
use canon::{Headers, InvoiceRequest, Name, Timestamp};
use odoo_writer::Writer;
use std::error::Error;

/// The effect of some requests, an outcome each: what was made of it, in words.
pub(crate) async fn effect(writer: &Writer, requests: &[InvoiceRequest]) -> Vec<String> {
    let facts: Vec<Fact<InvoiceRequest>> = requests.iter().cloned().map(fact).collect();
    writer.effect(&facts).await.into_iter().map(words).collect()
}

/// Tries as the runtime does: what is to be tried again is, until all have ended. Their outcomes, in order.
pub(crate) async fn effect_in_the_end(writer: &Writer, requests: &[InvoiceRequest]) -> Vec<String> {
    let mut outcomes = vec![String::from("retry"); requests.len()];
    for _ in 0..20 {
        let open: Vec<usize> =
            (0..requests.len()).filter(|index| outcomes[*index].starts_with("retry")).collect();
        if open.is_empty() {
            return outcomes;
        }
        let again: Vec<InvoiceRequest> = open.iter().map(|index| requests[*index].clone()).collect();
        for (index, outcome) in open.into_iter().zip(effect(writer, &again).await) {
            outcomes[index] = outcome;
        }
    }
    panic!("not ended after 20 tries: {outcomes:?}");
}

fn fact(body: InvoiceRequest) -> Fact<InvoiceRequest> {
    let name = Name::new("invoice-request", &[body.encounter.as_str(), &body.number.to_string()]);
    let headers = Headers {
        id: name.fact_id("billing.invoice-request.v1"),
        source: "test".to_owned(),
        r#type: "billing.invoice-request.v1".to_owned(),
        time: Timestamp::EPOCH,
        subject: body.encounter.to_string(),
        version: Some(1),
        revision: Some(1),
        factname: name.to_string(),
        correlationid: None,
        causationid: None,
        facility: None,
        sourceref: None,
        traceparent: None,
    };
    Fact { key: body.encounter, time: headers.time, body, headers, homonyms: 0 }
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied { their_id } => format!("applied {}", their_id.unwrap_or_default()),
        Outcome::Retry(unavailable) => {
            let mut text = String::from("retry");
            let mut source = unavailable.source();
            while let Some(error) = source {
                text = format!("{text}: {error}");
                source = error.source();
            }
            text
        }
        Outcome::Reject(Reject { reason, detail, .. }) => format!("{reason}: {detail}"),
    }
}
