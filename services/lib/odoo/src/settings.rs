//! Which Odoo, by which interface, and how hard to press it.

use crate::Secret;

/// Which Odoo, and how hard to press it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Odoo's address, such as `https://odoo.example.org`.
    pub url: String,
    /// The database's name.
    pub database: String,
    /// An API key of the integration's user.
    pub key: Secret,
    /// The integration's user, as it logs in; JSON-2 does without.
    pub login: String,
    /// How to talk.
    pub interface: Interface,
    /// Longest time for making a connection.
    pub connect_ms: u64,
    /// Longest time for a whole call. Above Odoo's own limit (`limit_time_real`, 120 s), after which it ends the worker and
    /// rolls back: then the outcome is known when we give up.
    pub answer_ms: u64,
    /// Calls at a time, at most; further ones wait. Odoo's workers are its real limit: leave some for people.
    pub concurrent: usize,
    /// The least time from the beginning of one call to that of the next; 0: none.
    pub apart_ms: u64,
}

impl Settings {
    /// The interface by Odoo's version, the user `admin`, 5 s to connect, 130 s for a call, two calls at a time.
    pub fn new(url: &str, database: &str, key: Secret) -> Self {
        Self {
            url: url.to_owned(),
            database: database.to_owned(),
            key,
            login: "admin".to_owned(),
            interface: Interface::ByVersion,
            connect_ms: 5_000,
            answer_ms: 130_000,
            concurrent: 2,
            apart_ms: 0,
        }
    }
}

/// Odoo's ways of being called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// JSON-2 where Odoo has it (19 and newer), else JSON-RPC; asked for at the first call.
    #[default]
    ByVersion,
    /// `/json/2`.
    Json2,
    /// `/jsonrpc`: Odoo 16 to 18; 19 still has it.
    JsonRpc,
}

/// Why no client can be made from the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Zero calls at a time would wait for ever.
    #[error("at least one call at a time")]
    Concurrent,
    /// The database's name cannot stand in a header.
    #[error("the database's name has characters that a header cannot carry")]
    Database,
    /// The API key cannot stand in a header, or is empty.
    #[error("the API key is empty or has characters that a header cannot carry")]
    Key,
    /// No TLS or no resolver on this machine.
    #[error("the HTTP client cannot be set up")]
    Transport(#[source] reqwest::Error),
    /// The address is not one.
    #[error("not an http:// or https:// address")]
    Url,
}
