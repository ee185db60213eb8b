//! The generators: test support, since what they write is committed and a test compares it.

mod defaults;
pub(crate) mod docs;
pub(crate) mod model;
pub(crate) mod rust;
