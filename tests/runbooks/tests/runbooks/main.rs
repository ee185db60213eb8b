//! Every page of `docs/runbooks` about an incident, executed: the incident is made on the real stack, the page's commands are typed
//! as they stand there, what they print is held against it, and then the books and Odoo are looked at.
//!
//! One after the other: the ledgers are the stack's. `VERTEBRA_TEST_LONG` has them in the numbers that the pages speak of. The one that
//! damages a topic is a test of its own, behind these. `make test-runbooks` gives all of them a stack that nobody else has used.

mod bad_deploy;
mod mapping_wrong;
mod merged_wrongly;
mod odoo_down;
mod odoo_restored;
mod sender_sent_again;
