//! What models and fields are.

use super::models::MODELS;
use Kind::{Boolean, Char, Date, Datetime, Float, Integer, Many2many, Many2one, One2many, Selection};

/// A field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Char,
    Date,
    Datetime,
    Float,
    Integer,
    Many2many(&'static str),
    Many2one(&'static str),
    /// The model, and its field that points back.
    One2many(&'static str, &'static str),
    Selection(&'static [&'static str]),
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As in Odoo's messages.
    pub(super) label: &'static str,
}

pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

pub(super) const MOVE: &str = "account.move";
pub(super) const LINE: &str = "account.move.line";
pub(super) const NAMES: &str = "ir.model.data";
pub(super) const PARTIAL: &str = "account.partial.reconcile";
pub(super) const PAYMENT: &str = "account.payment";
pub(super) const PRODUCT: &str = "product.product";
pub(super) const REGISTER: &str = "account.payment.register";
pub(super) const REVERSAL: &str = "account.move.reversal";
pub(super) const TEMPLATE: &str = "product.template";

pub(super) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

impl Model {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        COMMON.iter().chain(self.fields).find(|field| field.name == name)
    }

    pub(super) fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        COMMON.iter().chain(self.fields)
    }
}

impl Kind {
    /// As in `fields_get`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Boolean => "boolean",
            Char => "char",
            Date => "date",
            Datetime => "datetime",
            Float => "float",
            Integer => "integer",
            Many2many(_) => "many2many",
            Many2one(_) => "many2one",
            One2many(..) => "one2many",
            Selection(_) => "selection",
        }
    }

    pub(super) fn relation(self) -> Option<&'static str> {
        match self {
            Many2many(model) | Many2one(model) | One2many(model, _) => Some(model),
            _ => None,
        }
    }
}

pub(super) const fn field(name: &'static str, kind: Kind, label: &'static str) -> Field {
    Field { name, kind, label }
}

const COMMON: [Field; 4] = [
    field("id", Integer, "ID"),
    field("display_name", Char, "Display Name"),
    field("create_date", Datetime, "Created on"),
    field("write_date", Datetime, "Last Updated on"),
];
