//! `billing-projector books`: prints the books; ends with 1 where they differ from a control total or do not balance, or
//! something diverged, 2 when the command line makes no sense, 3 when the database does not answer.

use super::{Books, Control, Reader};
use backbone::settings::{Secret, ServiceUrl};
use clap::Parser;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const DIFFERENT: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// Where every amount is, by sender, facility, day and currency.
///
/// Ends with 0 where all is as it should be; with 1 where accounts differ from a control total or do not balance, or a
/// request is not in Odoo as it was asked for; with 2 for a wrong command line, with 3 when the database does not answer.
#[derive(Parser)]
#[command(name = "billing-projector books", version)]
struct Arguments {
    /// Control totals to compare with: CSV of sender, facility, day, currency, count, amount.
    #[arg(long, value_name = "FILE")]
    control: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Database of the ledger, postgres://user@host:5432/name
    #[arg(long, env = "VERTEBRA_POSTGRES_URL", hide_env_values = true)]
    postgres_url: String,
    /// Password of the database's user: the file it lies in.
    #[arg(long, env = "VERTEBRA_POSTGRES_PASSWORD_FILE", value_name = "FILE")]
    postgres_password_file: Option<PathBuf>,
}

/// Runs the command; `arguments` are what follows `books` on the command line, that word included.
pub fn run(arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(said) => {
            let code = u8::try_from(said.exit_code()).unwrap_or(USAGE);
            return if said.print().is_ok() { ExitCode::from(code) } else { ExitCode::from(USAGE) };
        }
    };
    let (url, control) = match (arguments.url(), arguments.control()) {
        (Ok(url), Ok(control)) => (url, control),
        (Err(mistake), _) | (_, Err(mistake)) => return fail(mistake.as_ref(), USAGE),
    };
    let read = async { Reader::connect(&url).await?.books().await };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let books = match runtime.map(|runtime| runtime.block_on(read)) {
        Ok(Ok(books)) => books,
        Ok(Err(error)) => return fail(&error, UNREACHABLE),
        Err(error) => return fail(&error, UNREACHABLE),
    };
    let said = print(&books, control.as_ref(), arguments.json);
    match said {
        Ok(()) if books.are_in_order(control.as_ref()) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(DIFFERENT),
        Err(error) => fail(&error, UNREACHABLE),
    }
}

impl Arguments {
    fn url(&self) -> Result<ServiceUrl, Box<dyn Error>> {
        let url = ServiceUrl::parse(&self.postgres_url, &["postgres", "postgresql"]);
        let url = url.map_err(|wrong| format!("--postgres-url is not {}", wrong.expects))?;
        let Some(file) = &self.postgres_password_file else { return Ok(url) };
        Ok(url.with_password(&Secret::new(std::fs::read_to_string(file)?.trim_end())))
    }

    fn control(&self) -> Result<Option<Control>, Box<dyn Error>> {
        let Some(file) = &self.control else { return Ok(None) };
        Ok(Some(Control::parse(&std::fs::read_to_string(file)?)?))
    }
}

fn print(books: &Books, control: Option<&Control>, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{:#}", books.json(control));
    }
    write!(out, "{books}")?;
    let Some(control) = control else { return Ok(()) };
    let differences = books.differences(control);
    for difference in &differences {
        writeln!(out, "{difference}")?;
    }
    if differences.is_empty() { writeln!(out, "the control totals are met") } else { Ok(()) }
}

fn fail(error: &dyn Error, code: u8) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // Nobody is left to tell when even that cannot be written.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}
