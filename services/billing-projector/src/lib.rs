//! What `billing-projector` is made of: `main.rs` wires it to its settings and to the runtime.
//!
//! `case` is the fold; `entry` is what the source says, `asked` what was asked for, `position` the difference, `plan`
//! the requests that close it, `place` where they go, `odoo` what became of them; `statement` and `rows` are what people see of it.
//! `gauges` sums those rows over all visits, as `vertebra books` does. `compensate` is for requests that should have been others.

mod asked;
mod case;
mod codes;
mod compensate;
mod entry;
mod facilities;
mod gauges;
mod odoo;
mod place;
mod plan;
mod position;
mod rows;
mod statement;
mod visit;

pub use case::{Case, Setup, folding};
pub use compensate::compensate;
pub use facilities::{Facilities, Facility, Zone};
pub use gauges::Gauges;
