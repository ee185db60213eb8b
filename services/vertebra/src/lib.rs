//! What the operator's commands do, apart from the command line: comparing and applying the contract.
//!
//! Consumes the compiled contract, Kafka's and the registry's answers; gives reports. Creates topics and registers
//! schemas only in [`contract::apply`]; nothing here alters or deletes anything.

pub mod contract;
