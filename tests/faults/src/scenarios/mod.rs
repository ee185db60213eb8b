//! The scenarios: a file for each family.

mod brokers;
mod clocks;
mod database;
mod disks;
mod doubles;
mod odoo;
mod paths;
mod poison;
mod registry;
mod replay;
mod storm;
mod writer;
mod zombies;

pub(crate) use poison::POISON;

use crate::play::Scenario;

/// All of them.
pub const ALL: &[Scenario] = &[
    doubles::F1,
    doubles::F2,
    writer::F3,
    zombies::F4,
    zombies::F5,
    brokers::F6,
    brokers::F7,
    paths::F8,
    disks::F9,
    database::F10,
    registry::F11,
    poison::F12,
    storm::F13,
    clocks::F14,
    replay::F15,
    odoo::F16,
];
