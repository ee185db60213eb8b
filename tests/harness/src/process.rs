//! A service as a real process: started with an environment of its own, asked whether it is ready, signalled.

use crate::wait::until;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Names its log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its settings, by the names of the flags: `kafka-bootstrap`.
    pub settings: BTreeMap<String, String>,
    /// Variables besides, which are no settings.
    pub environment: BTreeMap<String, String>,
    /// The port of 127.0.0.1 that serves `/ready` and `/metrics`.
    pub http_port: u16,
}

/// A running service. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Child,
    log: PathBuf,
}

/// What a process can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Goes on after [`Signal::Stop`].
    Continue,
    /// Dies at once.
    Kill,
    /// Stands still, with everything it holds.
    Stop,
    /// Is asked to drain and end.
    Terminate,
}

/// A service did not become ready.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not ready: {why}; the end of its log {}:\n{tail}", log.display())]
pub struct NotReady {
    name: String,
    why: String,
    log: PathBuf,
    tail: String,
}

impl Launch {
    /// A port of 127.0.0.1 that is free now.
    ///
    /// # Panics
    /// When there is none.
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    }

    /// Starts it. Its log in the folder is continued, so that nothing of an earlier start is lost.
    ///
    /// # Errors
    /// When the program is not there, or the log cannot be written.
    pub fn start(&self, folder: &Path) -> io::Result<Process> {
        fs::create_dir_all(folder)?;
        let log = folder.join(format!("{}.log", self.name));
        let out: File = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().stdin(Stdio::null());
        command.envs(&self.environment);
        command.env("VERTEBRA_HTTP_LISTEN", format!("127.0.0.1:{}", self.http_port));
        for (name, value) in &self.settings {
            command.env(format!("VERTEBRA_{}", name.to_uppercase().replace('-', "_")), value);
        }
        let started = command.stdout(out.try_clone()?).stderr(out).spawn();
        let missing = |error: io::Error| {
            let program = self.program.display();
            io::Error::new(
                error.kind(),
                format!("{program}: {error}; build it: cargo build --workspace --bins"),
            )
        };
        Ok(Process { launch: self.clone(), child: started.map_err(missing)?, log })
    }
}

impl Process {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ended, or is not ready in time; with what it said and the end of its log.
    pub async fn ready(&mut self, most: Duration) -> Result<(), NotReady> {
        let mut why = "it does not answer".to_owned();
        let url = self.url("ready");
        let begun = std::time::Instant::now();
        while begun.elapsed() < most {
            if let Ok(Some(status)) = self.child.try_wait() {
                why = format!("it ended with {status}");
                break;
            }
            match reqwest::get(&url).await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => why = answer.text().await.unwrap_or_default(),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        Err(NotReady { name: self.launch.name.clone(), why, log: self.log.clone(), tail })
    }

    /// What it serves as metrics; nothing if it does not answer.
    pub async fn metrics(&self) -> Option<String> {
        page(&self.url("metrics")).await
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it cannot be sent: the process is gone.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Continue => "-CONT",
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Terminate => "-TERM",
        };
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name} did not reach {}", self.launch.name);
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to drain and waits for its end; nothing if it does not end in time.
    pub async fn stop(&mut self, most: Duration) -> Option<ExitStatus> {
        self.signal(Signal::Terminate);
        let child = std::cell::RefCell::new(&mut self.child);
        until(most, || async { child.borrow_mut().try_wait().ok().flatten() }).await
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The address of a page that it serves.
    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.launch.http_port)
    }
}

/// A page by HTTP; nothing if there is none.
pub async fn page(url: &str) -> Option<String> {
    reqwest::get(url).await.ok()?.error_for_status().ok()?.text().await.ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
