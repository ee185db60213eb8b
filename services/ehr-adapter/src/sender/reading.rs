//! How a sender's messages are read: the half of its file that decides what facts come of a message.

use super::fields::Fields;
use super::{Ignored, list};
use hl7::charset::Charset;
use hl7::message::Path;
use hl7::time::Zone;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a text is expected to be: YAML takes `7` for a number and `NO` for false.
const A_TEXT: &str = "a text; quote it if it looks like something else";

const A_CURRENCY: &str = "three capital letters of ISO 4217";

/// A record of Odoo's that invoices name.
const A_RECORD: &str = "an external id of odoo's such as base.main_company, or a database id in quotes";

/// How a sender's messages are read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) account: Numbered,
    pub(crate) appointment_paths: Vec<Path>,
    /// Holds where MSH-18 says nothing, or nothing known.
    pub(crate) charset: Charset,
    pub(crate) charge_code: Path,
    pub(crate) control_ids: ControlIds,
    pub(crate) currency: Option<String>,
    pub(crate) department: Path,
    pub(crate) dft: Dft,
    /// By the facility's code.
    pub(crate) facilities: BTreeMap<String, Facility>,
    /// Holds where a message does not say.
    pub(crate) facility: Option<String>,
    pub(crate) facility_paths: Vec<Path>,
    /// What is landed and never translated.
    pub(crate) ignored: Vec<Ignored>,
    /// Where the stock stands that a consumption takes from.
    pub(crate) location_paths: Vec<Path>,
    pub(crate) lot: Option<Path>,
    pub(crate) order_paths: Vec<Path>,
    pub(crate) patient: PatientPolicy,
    pub(crate) payer: Path,
    /// Values of MSH-11 that are translated; the empty one means that it may be left out.
    pub(crate) processing: Vec<String>,
    pub(crate) reversal: Reversal,
    pub(crate) transaction: Path,
    pub(crate) visit: VisitPolicy,
    /// Holds for times without an offset.
    pub(crate) zone: Zone,
}

/// What a control id (MSH-10) is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlIds {
    /// Never given twice: a second message under one parks.
    Unique,
    /// A counter that starts again: messages are told apart by content as well.
    Restarts,
}

/// What an FT1 of a DFT means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dft {
    /// A charge on the visit's account.
    pub(crate) charge: bool,
    /// Something taken from stock.
    pub(crate) consumption: bool,
}

/// What a facility is called in Odoo, and what holds there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facility {
    /// The company that invoices what it charges, by external id or database id.
    pub(crate) company: Option<String>,
    /// Where amounts name no currency.
    pub(crate) currency: Option<String>,
    /// The journal that those invoices are in, likewise.
    pub(crate) journal: Option<String>,
    /// The stock location of what is consumed where no place is said.
    pub(crate) warehouse: Option<String>,
}

/// A number of an authority at one place.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) path: Path,
    /// What tokens are made under.
    pub(crate) authority: String,
}

/// Which repetition of a field is the patient's identifier. Never simply the first.
#[derive(Clone, Debug)]
pub(crate) struct PatientPolicy {
    pub(crate) path: Path,
    /// What tokens are made under.
    pub(crate) authority: String,
    /// CX.4 has to be this, its namespace or its universal id.
    pub(crate) assigning_authority: Option<String>,
    /// CX.5 has to be this.
    pub(crate) identifier_type: Option<String>,
}

/// How a credit or an adjustment names the charge that it takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reversal {
    /// It has the charge's own transaction id.
    Itself,
    /// It does not.
    Nothing,
    /// The charge's transaction id is at this place.
    Transaction(Path),
}

/// Where a visit's number stands: the first of these places that has one.
#[derive(Clone, Debug)]
pub(crate) struct VisitPolicy {
    pub(crate) paths: Vec<Path>,
    /// What tokens are made under.
    pub(crate) authority: String,
}

impl Reading {
    pub(super) fn read(fields: &mut Fields) -> Option<Self> {
        let zone = fields
            .required("time_zone", "a name such as Europe/Berlin", |value| Zone::named(value.as_str()?).ok());
        let charset = fields.or(
            "charset",
            "a character set such as UTF-8 or 8859/1; UTF-16 is none, since no message in it can be taken apart",
            Charset::UTF_8,
            |value| Charset::named(value.as_str()?.as_bytes()).filter(|charset| !charset.is_wide()),
        );
        let control_ids = fields.or("control_ids", "unique or restarts", ControlIds::Unique, |value| {
            match value.as_str()? {
                "unique" => Some(ControlIds::Unique),
                "restarts" => Some(ControlIds::Restarts),
                _ => None,
            }
        });
        let processing = fields.or(
            "processing",
            "a list of values of MSH-11 such as [P], \"\" where it may be empty",
            vec!["P".to_owned()],
            |value| list(value, |item| Some(item.to_owned())).filter(|items| !items.is_empty()),
        );
        let dft = fields.or("dft", "charge, consumption, both or ignore", Dft::CHARGE, Dft::named);
        let currency = match dft.charge {
            true => fields.required("currency", A_CURRENCY, currency),
            false => fields.optional("currency", A_CURRENCY, currency),
        };
        let ignored = fields.or(
            "ignore",
            "a list of messages such as [MDM, ADT^A17, ADT^A08 without a visit, SIU without a patient]",
            Vec::new(),
            |value| list(value, Ignored::parse),
        );
        let facilities = facilities(fields);
        let facility = fields.optional("facility", A_TEXT, text);
        let reversal = Reversal::read(fields);
        let patient = PatientPolicy::read(fields);
        let visit = VisitPolicy::read(fields);
        let account = Numbered::account(fields, visit.as_ref());
        Some(Self {
            account: account?,
            appointment_paths: places(fields, "appointment_paths", &["SCH-2", "SCH-1"]),
            charge_code: place(fields, "charge_code", "FT1-7")?,
            charset,
            control_ids,
            currency,
            department: place(fields, "department", "FT1-13")?,
            dft,
            facilities,
            facility,
            facility_paths: places(fields, "facility_paths", &["PV1-3.4", "MSH-4"]),
            ignored,
            location_paths: places(
                fields,
                "location_paths",
                &["FT1-16", "RXD-13", "RXA-11", "RQD-9", "PV1-3"],
            ),
            lot: fields.optional("lot_path", "a path such as ZFT-5", path),
            order_paths: places(fields, "order_paths", &["ORC-2", "OBR-2", "ORC-3", "OBR-3"]),
            patient: patient?,
            payer: place(fields, "payer", "IN1-3")?,
            processing,
            reversal,
            transaction: place(fields, "transaction_path", "FT1-2")?,
            visit: visit?,
            zone: zone?,
        })
    }

    /// What is known of a facility.
    pub(crate) fn facility_of(&self, code: Option<&str>) -> Option<&Facility> {
        self.facilities.get(code?)
    }
}

impl Dft {
    const CHARGE: Self = Self { charge: true, consumption: false };

    fn named(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "both" => Self { charge: true, consumption: true },
            "charge" => Self::CHARGE,
            "consumption" => Self { charge: false, consumption: true },
            "ignore" => Self { charge: false, consumption: false },
            _ => return None,
        })
    }
}

impl Numbered {
    fn account(fields: &mut Fields, visit: Option<&VisitPolicy>) -> Option<Self> {
        let path = place(fields, "account_path", "PID-18");
        let authority = fields.optional("account_authority", A_TEXT, text);
        Some(Self { path: path?, authority: authority.or_else(|| Some(visit?.authority.clone()))? })
    }
}

impl PatientPolicy {
    fn read(fields: &mut Fields) -> Option<Self> {
        let path =
            fields.or_else("patient_path", "a path to a field such as PID-3", || field("PID-3"), whole_field);
        let authority = fields.required("patient_authority", A_TEXT, text);
        let named = fields.optional("patient_assigning_authority", A_TEXT, text);
        let identifier_type = fields.optional("patient_identifier_type", A_TEXT, text);
        // Without a rule of its own the authority that tokens are made under is also the one CX.4 has to name.
        let by_default = if identifier_type.is_none() { authority.clone() } else { None };
        Some(Self {
            path: path?,
            authority: authority?,
            assigning_authority: named.or(by_default),
            identifier_type,
        })
    }
}

impl Reversal {
    fn read(fields: &mut Fields) -> Self {
        let expects = "a map such as {names: transaction, path: FT1-3}, {names: itself} or {names: nothing}";
        let Some(mut inside) = fields.map("reversal", expects) else { return Self::Nothing };
        let names = inside.required("names", "transaction, itself or nothing", |value| {
            let name = value.as_str()?;
            ["transaction", "itself", "nothing"].contains(&name).then(|| name.to_owned())
        });
        let expects = "a path to the charge's transaction id, such as FT1-3 or ZFT-2";
        let reversal = match names.as_deref() {
            Some("itself") => Self::Itself,
            Some("transaction") => {
                inside.required("path", expects, path).map_or(Self::Nothing, Self::Transaction)
            }
            _ => Self::Nothing,
        };
        fields.close(inside);
        reversal
    }
}

impl VisitPolicy {
    fn read(fields: &mut Fields) -> Option<Self> {
        let paths = places(fields, "visit_paths", &["PV1-19"]);
        let authority = fields.required("visit_authority", A_TEXT, text);
        Some(Self { paths, authority: authority? })
    }
}

fn facilities(fields: &mut Fields) -> BTreeMap<String, Facility> {
    let expects = "a map such as {NORTH: {company: base.main_company, warehouse: WH/Stock, currency: EUR}}";
    let mut facilities = BTreeMap::new();
    for (code, mut inside) in fields.maps("facilities", expects) {
        let facility = Facility {
            company: inside.optional("company", A_RECORD, record),
            currency: inside.optional("currency", A_CURRENCY, currency),
            journal: inside.optional("journal", A_RECORD, record),
            warehouse: inside.optional("warehouse", A_TEXT, text),
        };
        fields.close(inside);
        facilities.insert(code, facility);
    }
    facilities
}

/// A path with a default.
fn place(fields: &mut Fields, name: &'static str, default: &str) -> Option<Path> {
    fields.or_else(name, "a path such as IN1-3", || field(default), path)
}

/// Paths of which the first with a value counts.
fn places(fields: &mut Fields, name: &'static str, defaults: &[&str]) -> Vec<Path> {
    let read = |value: &Value| list(value, |item| Path::parse(item).ok()).filter(|paths| !paths.is_empty());
    fields
        .optional(name, "a list of paths such as [PV1-19, PID-18]", read)
        .unwrap_or_else(|| defaults.iter().filter_map(|path| field(path)).collect())
}

fn field(text: &str) -> Option<Path> {
    Path::parse(text).ok()
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// `module.name` or digits; whether there is such a record is Odoo's to say.
fn record(value: &Value) -> Option<String> {
    let id = text(value)?;
    let plain = |part: &str, more: &[char]| {
        !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(&char))
    };
    let is_external = id
        .split_once('.')
        .is_some_and(|(module, name)| plain(module, &['_', '-']) && plain(name, &['_', '-', '.']));
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit()) && id.parse::<i64>().is_ok_and(|id| id > 0);
    (is_external || is_number).then_some(id)
}

/// Three capital letters; whether such a currency exists is Odoo's to say.
fn currency(value: &Value) -> Option<String> {
    let code = value.as_str()?;
    (code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| code.to_owned())
}

fn path(value: &Value) -> Option<Path> {
    Path::parse(value.as_str()?).ok()
}

/// A field with all of its repetitions, among which a policy chooses.
fn whole_field(value: &Value) -> Option<Path> {
    path(value).filter(|path| path.within.repetition.is_none() && path.within.component.is_none())
}
