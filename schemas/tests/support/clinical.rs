//! Invented events of what an EHR says of patients and of stock.

use super::{AT, visit};
use canon::events::clinical_appointment::AppointmentStatus;
use canon::events::clinical_order::OrderStatus;
use canon::events::clinical_result::{Observation, ResultStatus};
use canon::events::supply_consumption::ConsumptionSource;
use canon::{
    Appointment, Change, Consumption, Date, ItemCode, LabResult, LocationCode, Order, Patient, PatientLink,
    PatientToken, Phi,
};

fn somebody() -> PatientToken {
    PatientToken::from_bytes([1; 16])
}

fn phi(text: &str) -> Option<Phi<String>> {
    Some(Phi(text.to_owned()))
}

pub(crate) fn patient() -> Patient {
    Patient {
        change: Change::Corrected,
        patient: somebody(),
        sender: "lakeside-ehr".to_owned(),
        family: phi("Invented"),
        given: phi("Ida"),
        birth_date: phi("194703"),
        sex: None,
        address: phi("1 Nowhere Street, Lakeside"),
        phone: None,
        deceased: Phi(true),
        occurred_at: AT,
    }
}

pub(crate) fn link() -> PatientLink {
    PatientLink {
        change: Change::Recorded,
        patient: somebody(),
        survivor: PatientToken::from_bytes([2; 16]),
        sender: "lakeside-ehr".to_owned(),
        trigger: "A40".to_owned(),
        occurred_at: AT,
    }
}

pub(crate) fn appointment() -> Appointment {
    Appointment {
        change: Change::Recorded,
        appointment: "lakeside-ehr/A1".to_owned(),
        patient: somebody(),
        encounter: None,
        sender: "lakeside-ehr".to_owned(),
        control_id: "MSG00003".to_owned(),
        trigger: "S26".to_owned(),
        status: AppointmentStatus::NoShow,
        starts_at: Some(AT),
        ends_at: None,
        service: Some("CONSULT".to_owned()),
        location: None,
        resource: None,
        facility: Some("LS1".to_owned()),
        occurred_at: AT,
    }
}

pub(crate) fn order() -> Order {
    Order {
        change: Change::Recorded,
        order: "lakeside-ehr/O1/F1".to_owned(),
        patient: somebody(),
        encounter: Some(visit()),
        sender: "lakeside-ehr".to_owned(),
        control_id: "MSG00004".to_owned(),
        trigger: "O11".to_owned(),
        order_control: "NW".to_owned(),
        status: OrderStatus::New,
        code: "00071015523".to_owned(),
        description: phi("an invented drug"),
        quantity: Some("2.5".parse().unwrap()),
        unit: Some("TAB".to_owned()),
        ordered_at: Some(AT),
        facility: None,
        occurred_at: AT,
    }
}

pub(crate) fn result() -> LabResult {
    let observation = |number: &str, value: Option<&str>, status| Observation {
        set_id: number.to_owned(),
        code: "2345-7".to_owned(),
        sub_id: None,
        value_type: Some("NM".to_owned()),
        value: value.and_then(phi),
        unit: Some("mg/dL".to_owned()),
        reference_range: Some("70-99".to_owned()),
        abnormal: value.and(phi("H")),
        status,
        observed_at: Some(AT),
    };
    LabResult {
        change: Change::Corrected,
        result: "lakeside-lab/F1/24323-8".to_owned(),
        patient: somebody(),
        encounter: Some(visit()),
        order: Some("lakeside-ehr/O2/F1".to_owned()),
        sender: "lakeside-lab".to_owned(),
        control_id: "MSG00005".to_owned(),
        status: ResultStatus::Corrected,
        code: "24323-8".to_owned(),
        observations: vec![
            observation("1", Some("182"), ResultStatus::Corrected),
            observation("", None, ResultStatus::Unsaid),
        ],
        observed_at: None,
        occurred_at: AT,
    }
}

pub(crate) fn consumption() -> Consumption {
    Consumption {
        change: Change::Recorded,
        consumption: format!("consumption/{}/T1", visit()),
        item: ItemCode::of("GLOVE@M").unwrap(),
        location: LocationCode::of("WH-OR2").unwrap(),
        lot: Some("L-2026-11".to_owned()),
        expires_on: Date::from_ymd(2027, 11, 30),
        quantity: "3".parse().unwrap(),
        unit: None,
        encounter: Some(visit()),
        patient: None,
        sender: "lakeside-ehr".to_owned(),
        control_id: "MSG00006".to_owned(),
        source: ConsumptionSource::Dispense,
        code: "GLV-M".to_owned(),
        returned: true,
        consumed_at: AT,
        facility: None,
        occurred_at: AT,
    }
}
