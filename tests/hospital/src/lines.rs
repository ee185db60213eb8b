//! The truth as JSON lines, out and in.

use crate::truth::{
    Account, Appointment, Charge, Consumption, Link, Message, Order, Outcome, Patient, Silent, Truth, Visit,
};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// One line. Accounts follow from charges and visits; they are written for whoever reads without this crate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "truth", rename_all = "lowercase")]
enum Line {
    Message(Message),
    Patient(Patient),
    Link(Link),
    Visit(Visit),
    Charge(Charge),
    Account(Account),
    Appointment(Appointment),
    Order(Order),
    Result(Outcome),
    Consumption(Consumption),
    Silence(Silent),
}

/// The truth cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A line is not one of ours.
    #[error("line {line} is no line of a truth")]
    Line {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
    /// The file.
    #[error("the truth cannot be read")]
    Read(#[from] io::Error),
}

impl Truth {
    /// Writes everything, a line each.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let accounts = self.accounts();
        let lines = (self.messages.iter().cloned().map(Line::Message))
            .chain(self.patients.iter().cloned().map(Line::Patient))
            .chain(self.links.iter().cloned().map(Line::Link))
            .chain(self.visits.iter().cloned().map(Line::Visit))
            .chain(self.charges.iter().cloned().map(Line::Charge))
            .chain(accounts.into_iter().map(Line::Account))
            .chain(self.appointments.iter().cloned().map(Line::Appointment))
            .chain(self.orders.iter().cloned().map(Line::Order))
            .chain(self.results.iter().cloned().map(Line::Result))
            .chain(self.consumptions.iter().cloned().map(Line::Consumption))
            .chain(self.silences.iter().cloned().map(Line::Silence));
        for line in lines {
            serde_json::to_writer(&mut to, &line)?;
            to.write_all(b"\n")?;
        }
        to.flush()
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// When a line is not one of ours.
    pub fn read(from: impl BufRead) -> Result<Self, Unreadable> {
        let mut truth = Self::default();
        for (index, text) in from.lines().enumerate() {
            let line =
                serde_json::from_str(&text?).map_err(|cause| Unreadable::Line { line: index + 1, cause })?;
            match line {
                Line::Message(it) => truth.messages.push(it),
                Line::Patient(it) => truth.patients.push(it),
                Line::Link(it) => truth.links.push(it),
                Line::Visit(it) => truth.visits.push(it),
                Line::Charge(it) => truth.charges.push(it),
                Line::Account(_) => {}
                Line::Appointment(it) => truth.appointments.push(it),
                Line::Order(it) => truth.orders.push(it),
                Line::Result(it) => truth.results.push(it),
                Line::Consumption(it) => truth.consumptions.push(it),
                Line::Silence(it) => truth.silences.push(it),
            }
        }
        Ok(truth)
    }
}
