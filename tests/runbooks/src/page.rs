//! What of a page is executed: its blocks marked `console`, and the places where somebody else does something meanwhile.
//!
//! A line that begins with `$ ` is a command, which goes on in the next line where it ends with `\`; what follows is what it
//! prints. `# ends with 1` behind a command names its exit code where that is not 0. `# until it says so` has it typed again
//! until it prints what stands there, however it ends: `vertebra status` ends with 1 while anything waits for a person. A comment of the page, `<!-- then: … -->`, is something that others do: Odoo comes
//! back. The test does it under that name.

/// A page's steps, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody types this.
    Command(Command),
    /// Somebody else does what goes by this name.
    Then {
        /// Where it stands, from 1.
        line: usize,
        /// Its name.
        name: String,
    },
}

/// A command and what it is to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Where it stands, from 1.
    pub line: usize,
    /// What is typed.
    pub typed: String,
    /// What is printed, by lines.
    pub printed: Vec<String>,
    /// How it ends.
    pub code: i32,
    /// It is typed again until it prints that.
    pub is_repeated: bool,
}

/// A page cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing in it is executed: a runbook that nobody tried.
    #[error("the page has no commands")]
    Empty,
    /// A block begins with something else than a command.
    #[error("line {0}: a block of commands begins with one")]
    NoCommand(usize),
    /// A block does not end.
    #[error("line {0}: the block does not end")]
    Open(usize),
    /// Another language than `console` on a block: commands that nobody would execute.
    #[error("line {0}: commands are in blocks of `console`, everything else in blocks of `text`")]
    Unmarked(usize),
}

const ENDS: &str = "# ends with ";
const REPEATED: &str = "# until it says so";

/// Reads a page.
///
/// # Errors
/// When it holds something that would not be executed.
pub fn read(text: &str) -> Result<Vec<Step>, Unusable> {
    let mut steps = Vec::new();
    let mut block: Option<(usize, bool)> = None;
    let mut continued = false;
    for (line, text) in (1..).zip(text.lines()) {
        let trimmed = text.trim_start();
        match (block, trimmed.strip_prefix("```")) {
            (Some(_), Some("")) => block = None,
            (None, Some("console")) => block = Some((line, true)),
            (None, Some("text")) => block = Some((line, false)),
            (None, Some(_)) => return Err(Unusable::Unmarked(line)),
            (None, None) => {
                let then = trimmed.strip_prefix("<!-- then: ").and_then(|rest| rest.strip_suffix(" -->"));
                steps.extend(then.map(|name| Step::Then { line, name: name.to_owned() }));
            }
            (Some((begins, true)), _) => {
                let first = begins + 1 == line;
                match trimmed.strip_prefix("$ ") {
                    Some(typed) if !continued => steps.push(Step::Command(command(line, typed))),
                    None if first => return Err(Unusable::NoCommand(line)),
                    _ => {
                        let Some(Step::Command(command)) = steps.last_mut() else { continue };
                        match continued {
                            true => command.go_on(trimmed),
                            false => command.printed.push(text.trim_end().to_owned()),
                        }
                    }
                }
                continued = matches!(steps.last(), Some(Step::Command(command)) if command.goes_on());
            }
            (Some((_, false)), _) => {}
        }
    }
    match block {
        Some((line, _)) => Err(Unusable::Open(line)),
        None if !steps.iter().any(|step| matches!(step, Step::Command(_))) => Err(Unusable::Empty),
        None => Ok(steps),
    }
}

fn command(line: usize, typed: &str) -> Command {
    let mut command = Command { line, typed: typed.trim_end().to_owned(), ..Command::default() };
    command.remarks();
    command
}

impl Command {
    fn goes_on(&self) -> bool {
        self.printed.is_empty() && self.typed.ends_with('\\')
    }

    fn go_on(&mut self, text: &str) {
        self.typed.pop();
        self.typed.push_str(text.trim());
        self.remarks();
    }

    /// Takes the remarks for whoever reads off the command.
    fn remarks(&mut self) {
        if let Some((typed, code)) = self.typed.rsplit_once(ENDS)
            && let Ok(code) = code.trim().parse()
        {
            (self.code, self.typed) = (code, typed.trim_end().to_owned());
        }
        if let Some(typed) = self.typed.strip_suffix(REPEATED) {
            (self.is_repeated, self.typed) = (true, typed.trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is typed, what is printed, how it ends, and whether it is typed again.
    type Expected<'a> = (&'a str, &'a [&'a str], i32, bool);

    #[track_caller]
    fn check(text: &str, expected: Result<&[Expected<'_>], Unusable>) {
        let commands = read(text).map(|steps| {
            let commands = steps.into_iter().filter_map(|step| match step {
                Step::Command(command) => {
                    Some((command.typed, command.printed, command.code, command.is_repeated))
                }
                Step::Then { .. } => None,
            });
            commands.collect::<Vec<_>>()
        });
        let expected = expected.map(|commands| {
            let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
            commands
                .iter()
                .map(|(typed, printed, code, again)| ((*typed).to_owned(), owned(printed), *code, *again))
                .collect()
        });
        assert_eq!(commands, expected);
    }

    #[test]
    fn commands_stand_behind_a_dollar_and_what_they_print_below() {
        check(
            "# A\nprose\n```console\n$ a --b\none\n  two\n$ c\n```\n",
            Ok(&[("a --b", &["one", "  two"], 0, false), ("c", &[], 0, false)]),
        );
        check(
            "```console\n$ a \\\n    --b   # ends with 1\none\n```\n",
            Ok(&[("a --b", &["one"], 1, false)]),
        );
        check("  ```console\n  $ a # until it says so\n  one\n  ```\n", Ok(&[("a", &["  one"], 0, true)]));
        check("```console\n$ a # until it says so # ends with 2\n```\n", Ok(&[("a", &[], 2, true)]));
        check("```text\n$ no command\n```\n```console\n$ a\n```\n", Ok(&[("a", &[], 0, false)]));
    }

    #[test]
    fn what_would_not_be_executed_is_refused() {
        check("prose", Err(Unusable::Empty));
        check("```\nvertebra status\n```\n", Err(Unusable::Unmarked(1)));
        check("```bash\nvertebra status\n```\n", Err(Unusable::Unmarked(1)));
        check("```console\nvertebra status\n```\n", Err(Unusable::NoCommand(2)));
        check("```console\n$ a\n", Err(Unusable::Open(1)));
    }

    #[test]
    fn what_others_do_meanwhile_keeps_its_place() {
        let steps = read(
            "```console\n$ a\n```\n<!-- then: odoo is back -->\n<!-- a remark -->\n```console\n$ b\n```\n",
        );
        let steps = steps.expect("a page");
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[1], Step::Then { line: 4, name: "odoo is back".to_owned() });
    }
}
