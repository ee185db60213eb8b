//! Invented events of what Odoo has, and of what people maintain beside it.

use super::{AT, visit};
use canon::events::billing_invoice::{InvoiceKind, InvoiceLine, InvoiceState};
use canon::events::inventory_item::ItemTracking;
use canon::events::inventory_stock_level::StockLot;
use canon::events::reference_code::CodeEntry;
use canon::{
    Change, Code, CodeTable, Date, Invoice, Item, ItemCode, Location, LocationCode, Partner, PartnerCode,
    Payment, SenderConfig, StockLevel,
};

pub(crate) fn item() -> Item {
    Item {
        change: Change::Recorded,
        item: ItemCode::of("GLOVE@M").unwrap(),
        product_id: 42,
        template_id: 40,
        name: "Gloves, M".to_owned(),
        active: false,
        barcode: None,
        unit: "Box".to_owned(),
        storable: true,
        tracking: ItemTracking::Lot,
        list_price: "12.5".parse().unwrap(),
        standard_price: "7.0005".parse().unwrap(),
        currency: Some("EUR".to_owned()),
        company: None,
    }
}

pub(crate) fn location() -> Location {
    Location {
        change: Change::Recorded,
        location: LocationCode::of("WH-OR2").unwrap(),
        location_id: 8,
        name: "WH/Stock/Theatre 2".to_owned(),
        usage: "internal".to_owned(),
        warehouse: Some("WH".to_owned()),
        active: true,
        barcode: Some("WH-OR2".to_owned()),
        company: Some("Lakeside".to_owned()),
    }
}

pub(crate) fn stock_level() -> StockLevel {
    let lot = |lot: Option<&str>, quantity: &str| StockLot {
        lot: lot.map(str::to_owned),
        quantity: quantity.parse().unwrap(),
        reserved: "0".parse().unwrap(),
        expires_at: lot.map(|_| AT),
    };
    StockLevel {
        change: Change::Corrected,
        item: ItemCode::of("GLOVE@M").unwrap(),
        location: LocationCode::of("WH-OR2").unwrap(),
        product_id: 42,
        location_id: 8,
        quantity: "-1.5".parse().unwrap(),
        reserved: "0".parse().unwrap(),
        lots: vec![lot(None, "-3"), lot(Some("L-2026-11"), "1.5")],
    }
}

pub(crate) fn partner() -> Partner {
    Partner {
        change: Change::Recorded,
        partner: PartnerCode::of("AOK").unwrap(),
        partner_id: 77,
        name: "An invented payer".to_owned(),
        reference: Some("AOK".to_owned()),
        is_company: true,
        supplier: false,
        customer: true,
        vat: None,
        active: true,
        company: None,
    }
}

pub(crate) fn invoice() -> Invoice {
    let line = |line: Option<String>, amount: &str| InvoiceLine {
        code: line.as_ref().map(|_| "99213".to_owned()),
        line,
        amount: amount.parse().unwrap(),
    };
    Invoice {
        change: Change::Corrected,
        invoice: 17,
        encounter: visit(),
        request: Some(format!("{}-2", visit())),
        number: Some("RINV/2026/00001".to_owned()),
        kind: InvoiceKind::CreditNote,
        state: InvoiceState::Posted,
        payment_state: "partial".to_owned(),
        total: "12.33".parse().unwrap(),
        residual: "2".parse().unwrap(),
        currency: "EUR".to_owned(),
        invoice_date: Date::from_ymd(2026, 11, 20),
        reverses: Some(16),
        reversed_request: Some(format!("{}-1", visit())),
        lines: vec![line(Some(format!("{}-2-1", visit())), "12.34"), line(None, "-0.01")],
        ours: true,
    }
}

pub(crate) fn payment() -> Payment {
    Payment {
        change: Change::Withdrawn,
        payment: 5,
        invoice: 17,
        encounter: visit(),
        request: None,
        amount: "10.33".parse().unwrap(),
        currency: "EUR".to_owned(),
        state: "in_process".to_owned(),
        paid_on: None,
    }
}

pub(crate) fn code() -> Code {
    Code {
        change: Change::Recorded,
        table: CodeTable::Charge,
        sender: Some("lakeside-ehr".parse().unwrap()),
        code: "99213/A".to_owned(),
        entries: vec![
            CodeEntry {
                valid_from: None,
                valid_to: Date::from_ymd(2026, 1, 1),
                target: "VISIT-15".to_owned(),
                description: None,
                price: None,
                currency: None,
                unit: None,
                factor: None,
            },
            CodeEntry {
                valid_from: Date::from_ymd(2026, 1, 1),
                valid_to: None,
                target: "VISIT-20".to_owned(),
                description: Some("Office visit".to_owned()),
                price: Some("75".parse().unwrap()),
                currency: Some("EUR".to_owned()),
                unit: Some("Units".to_owned()),
                factor: Some("0.5".parse().unwrap()),
            },
        ],
    }
}

pub(crate) fn sender() -> SenderConfig {
    SenderConfig {
        change: Change::Recorded,
        sender: "lakeside-ehr".parse().unwrap(),
        text: "facility: LS1\n".to_owned(),
    }
}
