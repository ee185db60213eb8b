#![doc = include_str!("../README.md")]

pub mod ack;
pub mod batch;
pub mod charset;
pub mod delimiters;
pub mod escape;
pub mod message;
pub mod mllp;
pub mod time;

mod scan;

#[cfg(test)]
mod linear_work;
