//! Generated from the `.avsc` files: the records of every topic. Do not edit: see `schemas/README.md`.

pub mod billing_case;
pub mod billing_charge;
pub mod billing_invoice_request;
pub mod clinical_encounter;
pub mod ops_audit;
pub mod ops_dead_letter;
pub mod raw_hl7v2;

/// Every topic of this contract and its schema, by topic.
#[rustfmt::skip]
pub const SCHEMAS: [(&str, &str); 7] = [
    ("billing.case.v1", include_str!("../../billing.case.v1.avsc")),
    ("billing.charge.v1", include_str!("../../billing.charge.v1.avsc")),
    ("billing.invoice-request.v1", include_str!("../../billing.invoice-request.v1.avsc")),
    ("clinical.encounter.v1", include_str!("../../clinical.encounter.v1.avsc")),
    ("ops.audit.v1", include_str!("../../ops.audit.v1.avsc")),
    ("ops.dead-letter.v1", include_str!("../../ops.dead-letter.v1.avsc")),
    ("raw.hl7v2.v1", include_str!("../../raw.hl7v2.v1.avsc")),
];

/// Every released schema: topic, number of the release, schema; by topic and number.
#[rustfmt::skip]
pub const HISTORY: &[(&str, u32, &str)] = &[
    ("billing.case.v1", 1, include_str!("../../history/billing.case.v1/1.avsc")),
    ("billing.charge.v1", 1, include_str!("../../history/billing.charge.v1/1.avsc")),
    ("billing.invoice-request.v1", 1, include_str!("../../history/billing.invoice-request.v1/1.avsc")),
    ("clinical.encounter.v1", 1, include_str!("../../history/clinical.encounter.v1/1.avsc")),
    ("ops.audit.v1", 1, include_str!("../../history/ops.audit.v1/1.avsc")),
    ("ops.dead-letter.v1", 1, include_str!("../../history/ops.dead-letter.v1/1.avsc")),
    ("raw.hl7v2.v1", 1, include_str!("../../history/raw.hl7v2.v1/1.avsc")),
];
