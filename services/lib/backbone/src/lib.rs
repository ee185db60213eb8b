//! The delivery runtime: what every service runs on, so that its author writes a pure fold or an effect and nothing
//! about offsets.
//!
//! One mechanism under all shapes: a PostgreSQL transaction commits offset, state and outbox together, under the
//! lane's epoch; a relay publishes the outbox under a fence of the broker's. `docs/delivery.md` says step by step
//! what is promised and what it rests on.
//!
//! The rules are written once, over three small traits: [`store::Store`] (the ledger), [`edge`] (the broker) and
//! [`env::Env`] (waiting). The real parts implement them, and so does an in-memory world under a seeded scheduler.

pub mod again;
mod again_lane;
pub mod audit;
mod batch;
mod breaker;
mod compensation;
pub mod contract;
mod cut_over;
pub mod edge;
mod emission;
pub mod env;
mod fact;
#[cfg(feature = "fault-points")]
pub mod fault;
mod fold_lane;
mod follow;
mod guard;
pub mod health;
pub mod journal;
pub mod kafka;
mod lane;
pub mod memory;
mod mend;
mod mend_lane;
pub mod metrics;
mod moment;
pub mod mutant;
mod owner;
mod parking;
pub mod postgres;
mod program;
mod projection;
pub mod proof;
mod read_back;
mod rebuild;
pub mod record;
pub mod recover;
pub mod registry;
mod reject;
mod relay;
pub mod replay;
pub mod rig;
pub mod service;
pub mod settings;
pub mod shutdown;
#[cfg(test)]
mod sim;
mod sink;
mod sink_forget;
mod sink_lane;
mod sink_mend;
pub mod source;
pub mod store;
pub mod table;
mod table_lane;
pub mod telemetry;
pub mod wish;
mod worth;

pub use batch::Tally;
pub use breaker::BreakerLimits;
pub use compensation::{Amendment, Compensate};
pub use emission::{Emitted, Origin};
pub use fact::Fact;
pub use guard::Behind;
pub use lane::Limits;
pub use moment::{Ahead, By, Moment, MomentError};
pub use program::{Folding, StateError};
pub use projection::{Column, Cx, On, Projection, ReportRow, Row, Rows, Table};
pub use reject::{Reason, Reject, Waits};
pub use relay::{RelayLimits, transactional_id};
pub use sink::{Outcome, Sink, Unavailable};
pub use table::Absent;

// The simulation makes and drops small things all the time: some 30 % of its time.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
