//! Whoever types commands of `vertebra` in a test.

use harness::{Fleet, Stack};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// Whoever types commands of `vertebra`, on the stack of a fleet.
#[derive(Debug)]
pub struct Operator<'a> {
    fleet: &'a Fleet,
    stack: &'a Stack,
}

impl<'a> Operator<'a> {
    /// With a fleet's programs and files.
    pub fn new(fleet: &'a Fleet, stack: &'a Stack) -> Self {
        Self { fleet, stack }
    }

    /// Types a command; what it said, on both its outputs.
    ///
    /// # Panics
    /// When it ends with another code.
    #[track_caller]
    pub fn said(&self, code: i32, args: &[&str]) -> String {
        let (ended, said) = self.run(args, "");
        assert_eq!(ended, code, "{args:?}: {said}");
        said
    }

    /// Types a command; what it reports, as JSON.
    ///
    /// # Panics
    /// When it ends with another code, or reports something else.
    #[track_caller]
    pub fn json(&self, code: i32, args: &[&str]) -> Value {
        let (ended, report) = self.json_of_either(args);
        assert_eq!(ended, code, "{args:?}: {report}");
        report
    }

    /// Types a command that may find something to do; how it ended, and what it reports, as JSON.
    ///
    /// # Panics
    /// When it reports something else.
    #[track_caller]
    pub fn json_of_either(&self, args: &[&str]) -> (i32, Value) {
        let (ended, (out, err)) = self.output(&[args, &["--json"]].concat(), "");
        let report = serde_json::from_str(&out);
        (ended, report.unwrap_or_else(|error| panic!("{args:?}: {error}: {ended}, {out}{err}")))
    }

    /// Types a command and says something into it; how it ended, and what it reported.
    pub fn answered(&self, args: &[&str], input: &str) -> (i32, String) {
        let (ended, (out, _)) = self.output(args, input);
        (ended, out)
    }

    fn run(&self, args: &[&str], input: &str) -> (i32, String) {
        let (ended, (out, err)) = self.output(args, input);
        (ended, out + &err)
    }

    fn output(&self, args: &[&str], input: &str) -> (i32, (String, String)) {
        let mut command = Command::new(self.fleet.program("vertebra"));
        let stack = self.stack;
        command.args(args).env_clear();
        command.env("VERTEBRA_KAFKA_BOOTSTRAP", &stack.kafka);
        command.env("VERTEBRA_REGISTRY_URL", &stack.registry_url);
        command.env("VERTEBRA_POSTGRES_URL", &stack.postgres_url);
        command.env("VERTEBRA_TOKEN_SECRET_FILE", self.fleet.folder().join("token-secret"));
        command.env("VERTEBRA_ODOO_URL", &stack.odoo.url);
        command.env("VERTEBRA_ODOO_DATABASE", &stack.odoo.database);
        command.env("VERTEBRA_ODOO_API_KEY_FILE", &stack.odoo.key_file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is built");
        // It may not care.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let ended = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.code().unwrap_or(-1), (text(&ended.stdout), text(&ended.stderr)))
    }
}
