//! Generated from the `.avsc` files: the records of every topic. Do not edit: see `schemas/README.md`.

pub mod billing_case;
pub mod billing_charge;
pub mod billing_invoice;
pub mod billing_invoice_request;
pub mod billing_payment;
pub mod clinical_appointment;
pub mod clinical_encounter;
pub mod clinical_order;
pub mod clinical_patient;
pub mod clinical_patient_link;
pub mod clinical_result;
pub mod inventory_item;
pub mod inventory_location;
pub mod inventory_stock_level;
pub mod ops_audit;
pub mod ops_dead_letter;
pub mod partner;
pub mod raw_hl7v2;
pub mod reference_code;
pub mod reference_sender;
pub mod supply_consumption;

/// Every topic of this contract and its schema, by topic.
#[rustfmt::skip]
pub const SCHEMAS: [(&str, &str); 21] = [
    ("billing.case.v1", include_str!("../../billing.case.v1.avsc")),
    ("billing.charge.v1", include_str!("../../billing.charge.v1.avsc")),
    ("billing.invoice-request.v1", include_str!("../../billing.invoice-request.v1.avsc")),
    ("billing.invoice.v1", include_str!("../../billing.invoice.v1.avsc")),
    ("billing.payment.v1", include_str!("../../billing.payment.v1.avsc")),
    ("clinical.appointment.v1", include_str!("../../clinical.appointment.v1.avsc")),
    ("clinical.encounter.v1", include_str!("../../clinical.encounter.v1.avsc")),
    ("clinical.order.v1", include_str!("../../clinical.order.v1.avsc")),
    ("clinical.patient-link.v1", include_str!("../../clinical.patient-link.v1.avsc")),
    ("clinical.patient.v1", include_str!("../../clinical.patient.v1.avsc")),
    ("clinical.result.v1", include_str!("../../clinical.result.v1.avsc")),
    ("inventory.item.v1", include_str!("../../inventory.item.v1.avsc")),
    ("inventory.location.v1", include_str!("../../inventory.location.v1.avsc")),
    ("inventory.stock-level.v1", include_str!("../../inventory.stock-level.v1.avsc")),
    ("ops.audit.v1", include_str!("../../ops.audit.v1.avsc")),
    ("ops.dead-letter.v1", include_str!("../../ops.dead-letter.v1.avsc")),
    ("partner.v1", include_str!("../../partner.v1.avsc")),
    ("raw.hl7v2.v1", include_str!("../../raw.hl7v2.v1.avsc")),
    ("reference.code.v1", include_str!("../../reference.code.v1.avsc")),
    ("reference.sender.v1", include_str!("../../reference.sender.v1.avsc")),
    ("supply.consumption.v1", include_str!("../../supply.consumption.v1.avsc")),
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
