//! A day's messages, read by another reader than wrote them, come to what the truth says.

mod kinds;
mod money;
mod peer;
mod people;
mod reader;
