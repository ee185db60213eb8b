//! The runs: every scenario with several seeds on a cluster of its own, one verdict each, and the report of all of them.
//!
//! Consumes the services' programs, built beside this one, and `scripts/stack`; leaves a line of JSON for each run, the logs of
//! those that failed, and the report.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use backbone::mutant::Mutant;
use clap::Parser;
use faults::ground::{self, Ground};
use faults::mutants::{Hunt, hunt};
use faults::play::{Scenario, run};
use faults::report::{Line, page};
use faults::scenarios::ALL;
use faults::{World, say};
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Faults against real services, and what held
///
/// The stack's instance is the one that VERTEBRA_STACK_INSTANCE names; it is made with three brokers behind proxies, kept between runs
/// and forgotten at the end when all went well.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Only these scenarios
    #[arg(long, value_name = "F1,…", value_delimiter = ',')]
    scenario: Vec<String>,
    /// These seeds, in place of the first ones
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    seed: Vec<u64>,
    /// How many seeds each
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u64,
    /// A variable for every service that is started
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    env: Vec<(String, String)>,
    /// A mutant of the services: VERTEBRA_TEST_MUTANT for each of them
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Every mutant, or these, each in the scenario that is to notice it; says how many were killed of how many planted
    #[arg(long, value_name = "NAME,…", num_args = 0.., value_delimiter = ',', conflicts_with_all = ["scenario", "seed", "mutant", "results"])]
    hunt: Option<Vec<String>>,
    /// Where the lines of all runs are kept, this one's added
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Where the report of all these lines is written
    #[arg(long, value_name = "FILE", requires = "results")]
    report: Option<PathBuf>,
    /// Write the report of the lines there are, and run nothing
    #[arg(long, requires = "report")]
    only_report: bool,
    /// Leave the stack running
    #[arg(long)]
    keep: bool,
    /// Tell what there is, and run nothing
    #[arg(long)]
    list: bool,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        ALL.iter().for_each(|scenario| println!("{:<4} {}", scenario.id, scenario.fault));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(all(&cli))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn all(cli: &Cli) -> Result<bool, String> {
    let chosen = chosen(cli)?;
    let text = |error: io::Error| error.to_string();
    if cli.only_report {
        write_report(cli).map_err(text)?;
        return Ok(true);
    }
    if let Some(names) = &cli.hunt {
        return hunt_all(cli, names).await;
    }
    let seeds: Vec<u64> = if cli.seed.is_empty() { (1..=cli.seeds).collect() } else { cli.seed.clone() };
    let commit = commit();
    let ground = Arc::new(Ground::start().await.map_err(text)?);
    let mut lines = Vec::new();
    for scenario in &chosen {
        for seed in &seeds {
            let line = Line {
                commit: commit.clone(),
                ..one(cli, scenario, *seed, cli.mutant.as_deref(), &ground).await
            };
            if let Some(results) = &cli.results {
                keep(results, &line).map_err(text)?;
            }
            lines.push(line);
        }
    }
    write_report(cli).map_err(text)?;
    let bad: Vec<&Line> = lines.iter().filter(|line| !line.is_good()).collect();
    for line in &bad {
        say(format_args!("failed; again: make test-faults SCENARIO={} SEED={}", line.scenario, line.seed));
    }
    let left_out = lines.iter().filter(|line| line.left_out.is_some()).count();
    let (how, good) = (if bad.is_empty() { "ok" } else { "FAILED" }, lines.len() - bad.len() - left_out);
    // As cargo says it, so that whoever adds such lines up can read it.
    say(format_args!("test result: {how}. {good} passed; {} failed; {left_out} ignored", bad.len()));
    end(cli, ground, bad.is_empty())
}

fn end(cli: &Cli, ground: Arc<Ground>, is_good: bool) -> Result<bool, String> {
    drop(ground);
    let ended = match (cli.keep, is_good) {
        (true, _) => Ok(()),
        (false, true) => ground::wipe(),
        (false, false) => ground::down(),
    };
    ended.map_err(|error| error.to_string())?;
    Ok(is_good)
}

/// Plants mutants one at a time, each where it is to be noticed.
async fn hunt_all(cli: &Cli, names: &[String]) -> Result<bool, String> {
    let unknown = names.iter().find(|name| !Mutant::ALL.iter().any(|mutant| mutant.name() == *name));
    if let Some(name) = unknown {
        let all: Vec<&str> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
        return Err(format!("{name} is no mutant; there are: {}", all.join(", ")));
    }
    let is_chosen =
        |mutant: &&Mutant| names.is_empty() || names.iter().any(|name| name.as_str() == mutant.name());
    let ground = Arc::new(Ground::start().await.map_err(|error| error.to_string())?);
    let (mut killed, mut planted) = (0, 0);
    let mut told = Vec::new();
    for mutant in Mutant::ALL.iter().filter(is_chosen) {
        let name = mutant.name();
        match hunt(*mutant) {
            Err(why) => told.push(format!("mutant {name}: not planted here: {why}")),
            Ok(hunt) => {
                let noticed = noticed(cli, name, &hunt, &ground).await?;
                planted += 1;
                killed += usize::from(noticed.is_some());
                told.push(match noticed {
                    Some(how) => format!("mutant {name}: killed by {how}"),
                    None => format!("mutant {name}: SURVIVED {}", hunt.scenario),
                });
            }
        }
        told.last().into_iter().for_each(say);
    }
    say("== all of them");
    told.iter().for_each(say);
    say(format_args!("mutants in real runs: {killed} killed / {planted} planted"));
    let is_good = killed == planted;
    let how = if is_good { "ok" } else { "FAILED" };
    say(format_args!("test result: {how}. {killed} passed; {} failed; 0 ignored", planted - killed));
    end(cli, ground, is_good)
}

/// The run that noticed it, and by what.
async fn noticed(cli: &Cli, name: &str, hunt: &Hunt, ground: &Arc<Ground>) -> Result<Option<String>, String> {
    let scenario = ALL.iter().find(|scenario| scenario.id == hunt.scenario);
    let scenario = scenario.ok_or_else(|| format!("{} is no scenario", hunt.scenario))?;
    for seed in hunt.seeds {
        let line = one(cli, scenario, *seed, Some(name), ground).await;
        let violated = line.violated();
        let said = line.failed.iter().map(String::as_str);
        let by = hunt.by.iter().find(|by| {
            violated.iter().any(|invariant| invariant == *by) || said.clone().any(|said| said.contains(*by))
        });
        if let Some(by) = by {
            return Ok(Some(format!("{} seed {seed}, {by}", hunt.scenario)));
        }
    }
    Ok(None)
}

fn chosen(cli: &Cli) -> Result<Vec<Scenario>, String> {
    let unknown = cli.scenario.iter().find(|id| !ALL.iter().any(|scenario| scenario.id == **id));
    if let Some(id) = unknown {
        return Err(format!("{id} is no scenario; --list tells them"));
    }
    let is_chosen =
        |scenario: &&Scenario| cli.scenario.is_empty() || cli.scenario.iter().any(|id| id == scenario.id);
    Ok(ALL.iter().filter(is_chosen).copied().collect())
}

/// The commit that is run, and whether anything was changed since.
fn commit() -> Option<String> {
    let told = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=10"]).output().ok()?;
    let told = told.status.success().then_some(told.stdout)?;
    Some(String::from_utf8_lossy(&told).trim().to_owned())
}

async fn one(cli: &Cli, scenario: &Scenario, seed: u64, mutant: Option<&str>, ground: &Arc<Ground>) -> Line {
    say(format_args!("== {} seed {seed}: {}", scenario.id, scenario.fault));
    if let Some(why) = (scenario.lacks)(ground) {
        say(format_args!("left out: {why}"));
        return Line::left_out(scenario, seed, why);
    }
    let folder = ground.folder.join("runs").join(format!("{}-{seed}", scenario.id.to_lowercase()));
    // What an earlier run has left is of another time.
    let _ = std::fs::remove_dir_all(&folder);
    let began = Instant::now();
    let (env, mutant) = (cli.env.clone(), mutant.map(str::to_owned));
    let services = move |world: &mut World| {
        for (name, value) in env {
            world.fleet = world.fleet.clone().environment(&name, &value);
        }
        if let Some(mutant) = mutant {
            world.fleet = world.fleet.clone().environment(backbone::mutant::VARIABLE, &mutant);
        }
    };
    let running = run(scenario, seed, Arc::clone(ground), folder.clone(), services);
    let ended = futures::FutureExt::catch_unwind(AssertUnwindSafe(running)).await;
    let line = match ended {
        Ok(Ok(outcome)) => {
            say(&outcome.verdict);
            Line::of(scenario, seed, &outcome)
        }
        Ok(Err(error)) => Line::failed(scenario, seed, &error),
        Err(panic) => Line::failed(scenario, seed, &said(panic.as_ref())),
    };
    if let Some(why) = &line.failed {
        say(format_args!("no verdict: {why}"));
    }
    let how = if line.is_good() { "good" } else { "FAILED" };
    say(format_args!(
        "{} seed {seed}: {how} after {:.0} s; {} messages acknowledged, {} sendings besides, recovered in {:.1} s",
        scenario.id,
        began.elapsed().as_secs_f32(),
        line.messages,
        line.again,
        Duration::from_millis(line.recovered_ms).as_secs_f32(),
    ));
    if !line.is_good() {
        say(format_args!("its logs: {}", folder.display()));
    }
    line
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}

fn keep(results: &Path, line: &Line) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(results)?;
    writeln!(file, "{}", serde_json::to_string(line)?)
}

/// Of a run that was made twice, the later line counts.
fn write_report(cli: &Cli) -> io::Result<()> {
    let (Some(results), Some(report)) = (&cli.results, &cli.report) else { return Ok(()) };
    let mut lines: Vec<Line> = Vec::new();
    for text in std::fs::read_to_string(results)?.lines() {
        let line: Line = serde_json::from_str(text)?;
        lines.retain(|known| (&known.scenario, known.seed) != (&line.scenario, line.seed));
        lines.push(line);
    }
    lines.sort_by(|one, other| (&one.scenario, one.seed).cmp(&(&other.scenario, other.seed)));
    std::fs::write(report, page(ALL, &lines))
}
