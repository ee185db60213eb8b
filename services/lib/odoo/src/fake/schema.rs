//! The models and fields that the fake knows, as Odoo 19's `fields_get` describes them.

use Kind::{Boolean, Char, Date, Float, Integer, Many2many, Many2one, One2many, Selection};

/// A field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Char,
    Date,
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
pub(super) const PRODUCT: &str = "product.product";
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

const fn field(name: &'static str, kind: Kind, label: &'static str) -> Field {
    Field { name, kind, label }
}

const COMMON: [Field; 4] = [
    field("id", Integer, "ID"),
    field("display_name", Char, "Display Name"),
    field("create_date", Char, "Created on"),
    field("write_date", Char, "Last Updated on"),
];

const MODELS: &[Model] = &[
    Model {
        name: "account.account",
        fields: &[
            field("name", Char, "Account Name"),
            field("code", Char, "Code"),
            field("account_type", Char, "Type"),
            field("active", Boolean, "Active"),
        ],
    },
    Model {
        name: "account.journal",
        fields: &[
            field("name", Char, "Journal Name"),
            field("code", Char, "Sequence Prefix"),
            field("type", Selection(&["sale", "purchase", "cash", "bank", "credit", "general"]), "Type"),
            field("company_id", Many2one("res.company"), "Company"),
            field("currency_id", Many2one("res.currency"), "Currency"),
            field("default_account_id", Many2one("account.account"), "Default Account"),
            field("active", Boolean, "Active"),
        ],
    },
    Model {
        name: MOVE,
        fields: &[
            field("name", Char, "Number"),
            field("state", Selection(&["draft", "posted", "cancel"]), "Status"),
            field(
                "payment_state",
                Selection(&[
                    "not_paid",
                    "in_payment",
                    "paid",
                    "partial",
                    "reversed",
                    "blocked",
                    "invoicing_legacy",
                ]),
                "Payment Status",
            ),
            field(
                "move_type",
                Selection(&[
                    "entry",
                    "out_invoice",
                    "out_refund",
                    "in_invoice",
                    "in_refund",
                    "out_receipt",
                    "in_receipt",
                ]),
                "Type",
            ),
            field("company_id", Many2one("res.company"), "Company"),
            field("journal_id", Many2one("account.journal"), "Journal"),
            field("partner_id", Many2one("res.partner"), "Partner"),
            field("currency_id", Many2one("res.currency"), "Currency"),
            field("invoice_date", Date, "Invoice/Bill Date"),
            field("date", Date, "Date"),
            field("ref", Char, "Reference"),
            field("invoice_line_ids", One2many(LINE, "move_id"), "Invoice lines"),
            field("reversed_entry_id", Many2one(MOVE), "Reversal of"),
            field("amount_untaxed", Float, "Untaxed Amount"),
            field("amount_tax", Float, "Tax"),
            field("amount_total", Float, "Total"),
            field("amount_residual", Float, "Amount Due"),
        ],
    },
    Model {
        name: LINE,
        fields: &[
            field("move_id", Many2one(MOVE), "Journal Entry"),
            field("parent_state", Selection(&["draft", "posted", "cancel"]), "Status"),
            field("product_id", Many2one(PRODUCT), "Product"),
            field("name", Char, "Label"),
            field("quantity", Float, "Quantity"),
            field("price_unit", Float, "Unit Price"),
            field("price_subtotal", Float, "Subtotal"),
            field("price_total", Float, "Total"),
            field("tax_ids", Many2many("account.tax"), "Taxes"),
            field("account_id", Many2one("account.account"), "Account"),
            field("company_id", Many2one("res.company"), "Company"),
            field("currency_id", Many2one("res.currency"), "Currency"),
            field("partner_id", Many2one("res.partner"), "Partner"),
            field(
                "display_type",
                Selection(&["product", "tax", "payment_term", "line_section", "line_note"]),
                "Display Type",
            ),
        ],
    },
    Model {
        name: "account.tax",
        fields: &[
            field("name", Char, "Tax Name"),
            field("amount", Float, "Amount"),
            field("type_tax_use", Selection(&["sale", "purchase", "none"]), "Tax Type"),
            field("active", Boolean, "Active"),
        ],
    },
    Model {
        name: "ir.config_parameter",
        fields: &[field("key", Char, "Key"), field("value", Char, "Value")],
    },
    Model {
        name: NAMES,
        fields: &[
            field("module", Char, "Module"),
            field("name", Char, "External Identifier"),
            field("model", Char, "Model Name"),
            field("res_id", Integer, "Record ID"),
            field("noupdate", Boolean, "Non Updatable"),
        ],
    },
    Model { name: PRODUCT, fields: PRODUCT_FIELDS },
    Model { name: TEMPLATE, fields: PRODUCT_FIELDS },
    Model {
        name: "res.company",
        fields: &[
            field("name", Char, "Company Name"),
            field("currency_id", Many2one("res.currency"), "Currency"),
            field("partner_id", Many2one("res.partner"), "Partner"),
            field("sale_lock_date", Date, "Sales Lock Date"),
            field("chart_template", Char, "Chart Template"),
        ],
    },
    Model {
        name: "res.currency",
        fields: &[
            field("name", Char, "Currency"),
            field("symbol", Char, "Symbol"),
            field("active", Boolean, "Active"),
            field("decimal_places", Integer, "Decimal Places"),
            field("rounding", Float, "Rounding Factor"),
        ],
    },
    Model {
        name: "res.partner",
        fields: &[
            field("name", Char, "Name"),
            field("ref", Char, "Reference"),
            field("is_company", Boolean, "Is a Company"),
            field("customer_rank", Integer, "Customer Rank"),
            field("company_id", Many2one("res.company"), "Company"),
            field("active", Boolean, "Active"),
        ],
    },
    Model {
        name: "res.users",
        fields: &[
            field("name", Char, "Name"),
            field("login", Char, "Login"),
            field("active", Boolean, "Active"),
        ],
    },
];

const PRODUCT_FIELDS: &[Field] = &[
    field("name", Char, "Name"),
    field("default_code", Char, "Internal Reference"),
    field("type", Selection(&["consu", "service", "combo"]), "Product Type"),
    field("list_price", Float, "Sales Price"),
    field("taxes_id", Many2many("account.tax"), "Sales Taxes"),
    field("sale_ok", Boolean, "Sales"),
    field("product_tmpl_id", Many2one(TEMPLATE), "Product Template"),
    field("active", Boolean, "Active"),
];
