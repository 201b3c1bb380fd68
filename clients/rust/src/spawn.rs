//! A sidecar of our own: it lives as long as this process, or shorter.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::client::Client;
use crate::error::{Error, Result, reason};
use crate::launch::Launch;
use crate::process::{END_GRACE, Process};
use crate::stderr::OnLog;

const START_DEADLINE: Duration = Duration::from_secs(30);

/// What to spawn, and with what.
pub struct Options {
    /// The program, and what comes before `serve`.
    pub command: Vec<OsString>,
    /// Where the games are.
    pub game_dir: PathBuf,
    /// Where the sidecar keeps what it knows; one sidecar at a time.
    pub state_dir: PathBuf,
    /// What lets callers in; None: a random one.
    pub token: Option<String>,
    /// `debug`, `info`, `warning` or `error`.
    pub log_level: Option<String>,
    /// Keys of the config file, such as `name`, `bind`, `port`, `listen`, `peer`, `mdns`.
    pub settings: Map<String, Value>,
    /// Gets every line that the sidecar logs; None: they are dropped.
    pub on_log: Option<OnLog>,
    /// How long the sidecar may take until it serves.
    pub start_deadline: Duration,
}

impl Options {
    /// The options of a sidecar that leaves all else to the defaults.
    pub fn new(
        command: impl IntoIterator<Item = impl Into<OsString>>,
        game_dir: impl Into<PathBuf>,
        state_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            game_dir: game_dir.into(),
            state_dir: state_dir.into(),
            token: None,
            log_level: None,
            settings: Map::new(),
            on_log: None,
            start_deadline: START_DEADLINE,
        }
    }

    fn command(&self) -> Result<Command> {
        let Some((program, arguments)) = self.command.split_first() else {
            let message = "a command names at least the program";
            return Err(Error::new(reason::INVALID_FIELD, message).with("field", "command"));
        };
        let mut command = Command::new(program);
        command.args(arguments).args(["serve", "--managed"]);
        Ok(command)
    }

    /// The line for the sidecar's stdin.
    fn handshake(&self, parent_pid: u32) -> Result<String> {
        let mut line = json!({
            "game_dir": text_of("game_dir", &self.game_dir)?,
            "state_dir": text_of("state_dir", &self.state_dir)?,
            "parent_pid": parent_pid,
            "settings": self.settings,
        });
        if let Some(token) = &self.token {
            line["token"] = json!(token);
        }
        if let Some(log_level) = &self.log_level {
            line["log_level"] = json!(log_level);
        }
        Ok(format!("{line}\n"))
    }
}

fn text_of<'a>(field: &str, path: &'a std::path::Path) -> Result<&'a str> {
    path.to_str().ok_or_else(|| {
        let message = format!("{} is not UTF-8", path.display());
        Error::new(reason::INVALID_FIELD, message).with("field", field)
    })
}

/// A sidecar that we spawned, and a client of it.
///
/// It ends when this is dropped, or this process ends however it may; `shutdown` is the orderly
/// way. Dropped within a runtime that goes on, it has 5 seconds to end before it is killed.
pub struct Sidecar {
    client: Client,
    launch: Launch,
    process: Process,
}

impl Sidecar {
    /// Starts a sidecar, and answers once it serves.
    ///
    /// SPAWN_FAILED when it ends instead: the metadata `exit_code`, `last_line` of its log and
    /// `sidecar_reason` tell why. SPAWN_TIMEOUT after the deadline, HANDSHAKE_INVALID or
    /// API_UNSUPPORTED for a program that is no sidecar for this client.
    pub async fn spawn(options: Options) -> Result<Self> {
        let command = options.command()?;
        let line = options.handshake(std::process::id())?;
        let (process, launch) =
            Process::start(command, &line, options.start_deadline, options.on_log).await?;
        let is_running = Arc::new(process.liveness());
        let client = Client::of_launch(&launch, is_running)?;
        Ok(Self {
            client,
            launch,
            process,
        })
    }

    /// The client; clones of it may outlive this.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the handshake told.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Waits until the process ends by itself.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.process.wait().await
    }

    /// Ends it: asks for it, closes its stdin, and kills it after 5 more seconds.
    ///
    /// Exit code 0 tells that it ended in order.
    pub async fn shutdown(self) -> Result<ExitStatus> {
        // It may be ending already, or hang; closing its stdin is the next thing anyway.
        let _ = tokio::time::timeout(END_GRACE, self.client.shutdown()).await;
        self.process.end().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_one_line_with_what_was_given() {
        let mut options = Options::new(["lanspread-peer"], "/games\n", "/state");
        options.settings.insert("mdns".to_owned(), json!(false));
        let line = options.handshake(7).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let content: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "game_dir": "/games\n", "state_dir": "/state", "parent_pid": 7,
            "settings": {"mdns": false},
        });
        assert_eq!(content, expected);
        options.token = Some("t".to_owned());
        options.log_level = Some("debug".to_owned());
        let content: Value = serde_json::from_str(&options.handshake(7).unwrap()).unwrap();
        assert_eq!(
            (&content["token"], &content["log_level"]),
            (&json!("t"), &json!("debug"))
        );
    }

    #[test]
    fn a_command_without_a_program_is_refused() {
        let options = Options::new(Vec::<OsString>::new(), "g", "s");
        let error = options.command().unwrap_err();
        assert_eq!(error.reason, reason::INVALID_FIELD);
    }
}
