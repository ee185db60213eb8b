//! The program odoo-fake: what `make demo ODOO=fake` starts.

use odoo::{Client, Secret, Settings};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn the_program_says_where_it_serves_and_answers_there() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_odoo-fake"))
        .args(["--port", "0", "--database", "demo", "--key", "k3y"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let line = BufReader::new(program.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("odoo-fake serves database demo at ").unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let client = Client::new(&Settings::new(url, "demo", Secret::new("k3y"))).unwrap();
    assert!(client.version().await.unwrap().has_json2());
    client.database_uuid().await.unwrap();
}
