//! What `odoo-writer` is made of: `main.rs` wires it to its settings and to the runtime, the tests drive it against an
//! Odoo over HTTP.
//!
//! `invoice` decides (pure), `books` asks what it needs to decide, `writer` has the effect, `key` keeps the API key.

mod books;
mod invoice;
mod key;
#[cfg(test)]
mod sample;
mod writer;

pub use books::{Database, Record, Terms};
pub use key::{KeyError, KeyFile};
pub use writer::{Portion, Writer};
