//! odoo-fake: an Odoo for demonstrations, in memory, on 127.0.0.1 only.

use clap::Parser;
use odoo::fake::Server;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// An in-memory stand-in for Odoo 19's JSON-2 interface, on 127.0.0.1. What it is told is gone when it ends.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of 127.0.0.1 to serve; 0 takes a free one
    #[arg(long)]
    port: u16,
    /// Name of the database to serve
    #[arg(long, default_value = odoo::fake::DATABASE)]
    database: String,
    /// The API key to accept
    #[arg(long, default_value = odoo::fake::KEY)]
    key: String,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever starts it waits for this line, and learns the port from it")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let server = Server::start_at(arguments.port, &arguments.database, &arguments.key).await?;
    println!("odoo-fake serves database {} at {}", arguments.database, server.url());
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
