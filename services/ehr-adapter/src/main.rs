//! The program: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ehr_adapter::run()
}
