//! Runbooks that are executed: the commands of a page are typed as they stand there, and what they print is held against it.
//!
//! Consumes pages of `docs/runbooks`, runs their commands in a shell, gives every difference with its line. It makes no
//! incident itself: that is the tests', which also look at what came of it in the books and in Odoo.

pub mod expect;
pub mod page;
pub mod poison;
pub mod proxy;
pub mod scene;
pub mod typist;
