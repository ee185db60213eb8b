//! Invented events of every topic, and a seeded source of numbers.

pub(crate) mod clinical;
pub(crate) mod odoo;

use canon::events::billing_case::CaseStatus;
use canon::events::billing_charge::ChargeKind;
use canon::events::billing_invoice_request::{Line, RequestKind};
use canon::events::clinical_encounter::EncounterStatus;
use canon::{
    AccountToken, Audit, Case, Change, Charge, Date, DeadLetter, Encounter, EncounterToken, InvoiceRequest,
    PatientToken, Phi, RawHl7v2, Timestamp,
};

/// A time that all samples share.
pub(crate) const AT: Timestamp = Timestamp(1_790_000_000_123_456);

/// Numbers that a seed repeats (xorshift64*).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(number % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

pub(crate) fn visit() -> EncounterToken {
    EncounterToken::from_bytes([0x5a; 16])
}

pub(crate) fn raw() -> RawHl7v2 {
    RawHl7v2 {
        sender: "lakeside-ehr".to_owned(),
        control_id: Some("MSG00001".to_owned()),
        message_code: Some("DFT".to_owned()),
        trigger: Some("P03".to_owned()),
        processing_id: Some("P".to_owned()),
        version_id: Some("2.5.1".to_owned()),
        charset: None,
        received_at: AT,
        identity: [7; 32],
        unparsed: None,
        payload: Phi(b"MSH|^~\\&|LAKESIDE\rPID|1\r".to_vec()),
    }
}

pub(crate) fn encounter() -> Encounter {
    Encounter {
        change: Change::Recorded,
        encounter: visit(),
        patient: Some(PatientToken::from_bytes([1; 16])),
        sender: "lakeside-ehr".to_owned(),
        control_id: "MSG00001".to_owned(),
        trigger: "A03".to_owned(),
        visit_number: Phi("V-4711".to_owned()),
        status: EncounterStatus::Finished,
        class: Some("O".to_owned()),
        facility: None,
        location: Some("4W^12^B".to_owned()),
        prior_location: None,
        attending: Some(Phi("D1 Invented".to_owned())),
        account: Some(AccountToken::from_bytes([3; 16])),
        moved_to: None,
        payer: Some(String::new()),
        admitted_at: Some(AT),
        discharged_at: None,
        occurred_at: AT,
    }
}

pub(crate) fn charge() -> Charge {
    Charge {
        change: Change::Corrected,
        charge: format!("charge/{}/T1", visit()),
        encounter: visit(),
        patient: None,
        sender: "lakeside-ehr".to_owned(),
        control_id: "MSG00002".to_owned(),
        facility: Some("LS1".to_owned()),
        transaction_id: "T1".to_owned(),
        kind: ChargeKind::Charge,
        reverses: None,
        code: "99213".to_owned(),
        description: Some(Phi("office visit".to_owned())),
        quantity: "2".parse().unwrap(),
        amount: "-1234.565".parse().unwrap(),
        currency: "EUR".to_owned(),
        service_at: AT,
        department: None,
        company: None,
        journal: None,
        occurred_at: AT,
    }
}

pub(crate) fn case() -> Case {
    Case {
        change: Change::Recorded,
        encounter: visit(),
        status: CaseStatus::Held,
        finished: true,
        currency: "EUR".to_owned(),
        unbilled: "0".parse().unwrap(),
        unbilled_count: 0,
        requested: "99999999999999.9999".parse().unwrap(),
        requested_count: 12,
        requests: 1,
        invoiced: "12.34".parse().unwrap(),
        invoiced_count: 2,
        credited: "0.01".parse().unwrap(),
        credited_count: 1,
        paid: "0".parse().unwrap(),
        paid_count: 0,
        diverged: "0".parse().unwrap(),
        diverged_count: 0,
        as_of: AT,
    }
}

pub(crate) fn request() -> InvoiceRequest {
    let line = |number: u32, amount: &str| Line {
        line: format!("{}-1-{number}", visit()),
        charge: format!("charge/{}/T{number}", visit()),
        reverses: (number == 2).then(|| format!("{}-1-1", visit())),
        code: "99213".to_owned(),
        description: (number == 1).then(|| Phi("office visit".to_owned())),
        quantity: "1".parse().unwrap(),
        amount: amount.parse().unwrap(),
        service_at: AT,
    };
    InvoiceRequest {
        change: Change::Recorded,
        request: format!("{}-1", visit()),
        encounter: visit(),
        number: 1,
        kind: RequestKind::CreditNote,
        reverses: Some(format!("{}-1", visit())),
        facility: None,
        company: Some("base.main_company".to_owned()),
        journal: None,
        payer: Some("BCBS".to_owned()),
        currency: "EUR".to_owned(),
        invoice_date: Date::from_ymd(2026, 11, 20).unwrap(),
        visit_number: Phi("V-4711".to_owned()),
        lines: vec![line(1, "12.34"), line(2, "-0.01")],
        total: "12.33".parse().unwrap(),
    }
}

pub(crate) fn dead_letter() -> DeadLetter {
    DeadLetter {
        service: "billing-projector".parse().unwrap(),
        processor: "billing-case".to_owned(),
        lane: 3,
        topic: "billing.charge.v1".to_owned(),
        partition: 3,
        offset: 1 << 40,
        chain: visit().to_string(),
        reason_class: "invalid".to_owned(),
        reason: "FT1-11 is no number".to_owned(),
        parked_at: AT,
        event_id: Some(uuid::Uuid::from_u128(0x1234)),
        attempts: 1,
    }
}

pub(crate) fn audit() -> Audit {
    Audit {
        service: "billing-projector".parse().unwrap(),
        actor: "operator-7".to_owned(),
        action: "discard".to_owned(),
        subject: "lane 3".to_owned(),
        reason: String::new(),
        at: AT,
        previous_hash: [0; 32],
        hash: [9; 32],
    }
}
