//! The process of a sidecar that we spawned, from its start to its end.
//!
//! It ends when its stdin closes, so holding that open is what keeps it alive. One task waits for
//! its end; when it is let go it has a grace, and then it is killed.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};

use crate::error::{Error, Result, reason};
use crate::launch::Launch;
use crate::stderr::{LastWords, OnLog, Words};

/// How long a sidecar may take to end before it is killed.
pub(crate) const END_GRACE: Duration = Duration::from_secs(5);
const MAX_HANDSHAKE_BYTES: u64 = 64 * 1024;

/// A process that has printed its handshake.
pub(crate) struct Process {
    // Both tell that we are gone: the sidecar notices the first, our own task the second.
    _stdin: ChildStdin,
    _leash: oneshot::Sender<()>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Runs the command, gives it `line`, and waits at most `deadline` for its handshake.
    pub async fn start(
        mut command: Command,
        line: &str,
        deadline: Duration,
        on_log: Option<OnLog>,
    ) -> Result<(Self, Launch)> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        without_window(&mut command);
        let mut child = command.spawn().map_err(|error| not_started(&error))?;
        let (mut stdin, stdout, stderr) = pipes(&mut child);
        let words = LastWords::of(stderr, on_log);
        let begun = tokio::time::timeout(deadline, greet(&mut stdin, stdout, line)).await;
        match begun.unwrap_or_else(|_| Err(too_late(deadline))) {
            Ok(Some(launch)) => Ok((Self::held(child, stdin), launch)),
            Ok(None) => {
                drop(stdin);
                Err(ended(child, words).await)
            }
            Err(error) => {
                // It is reaped here, and not whenever the runtime gets to it.
                let _ = child.kill().await;
                Err(error)
            }
        }
    }

    fn held(child: Child, stdin: ChildStdin) -> Self {
        let (leash, let_go) = oneshot::channel();
        let (exit, has_exited) = watch::channel(None);
        tokio::spawn(watch_over(child, let_go, exit));
        Self {
            _stdin: stdin,
            _leash: leash,
            exit: has_exited,
        }
    }

    /// Whether it runs, whoever still holds the process.
    pub fn liveness(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let exit = self.exit.clone();
        move || exit.borrow().is_none() && exit.has_changed().is_ok()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Result<ExitStatus> {
        wait(self.exit.clone()).await
    }

    /// Closes its stdin, and kills it when it takes too long to end.
    pub async fn end(self) -> Result<ExitStatus> {
        let exit = self.exit.clone();
        drop(self);
        wait(exit).await
    }
}

async fn wait(mut exit: watch::Receiver<Option<ExitStatus>>) -> Result<ExitStatus> {
    let status = exit.wait_for(Option::is_some).await.map(|status| *status);
    status
        .ok()
        .flatten()
        .ok_or_else(|| Error::new(reason::SPAWN_FAILED, "the system lost track of the sidecar"))
}

async fn watch_over(
    mut child: Child,
    let_go: oneshot::Receiver<()>,
    exit: watch::Sender<Option<ExitStatus>>,
) {
    let status = tokio::select! {
        status = child.wait() => status,
        _ = let_go => end_or_kill(&mut child).await,
    };
    if let Ok(status) = status {
        exit.send_replace(Some(status));
    }
}

async fn end_or_kill(child: &mut Child) -> io::Result<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(END_GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

fn pipes(child: &mut Child) -> (ChildStdin, ChildStdout, tokio::process::ChildStderr) {
    let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    match taken {
        (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
        _ => unreachable!("all three were asked to be pipes"),
    }
}

/// The handshake; None when the process closed its stdout without one.
async fn greet(stdin: &mut ChildStdin, stdout: ChildStdout, line: &str) -> Result<Option<Launch>> {
    // One that ended already cannot read it; its exit code tells why.
    if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
        return Ok(None);
    }
    let mut answer = Vec::new();
    let mut stdout = BufReader::new(stdout);
    let mut line = (&mut stdout).take(MAX_HANDSHAKE_BYTES);
    let read = line.read_until(b'\n', &mut answer).await;
    if read.is_err() || answer.is_empty() {
        return Ok(None);
    }
    let launch = Launch::from_handshake(&answer)?;
    // A program around the sidecar may print more, and must not wait for us.
    tokio::spawn(async move { tokio::io::copy_buf(&mut stdout, &mut tokio::io::sink()).await });
    Ok(Some(launch))
}

/// Why it ended before it could serve.
async fn ended(mut child: Child, words: LastWords) -> Error {
    let Ok(status) = end_or_kill(&mut child).await else {
        return Error::new(reason::SPAWN_FAILED, "the system lost track of the sidecar");
    };
    // A grandchild may hold its stderr open, for longer than anybody wants to wait.
    let words = tokio::time::timeout(END_GRACE, words.finished()).await;
    failure(status, words.unwrap_or_default())
}

fn failure(status: ExitStatus, words: Words) -> Error {
    let said = words.refusal.as_ref().map(|refusal| &refusal.message);
    let said = said.unwrap_or(&words.line);
    let message = format!("the sidecar did not start: {said}");
    let mut error = Error::new(reason::SPAWN_FAILED, message).with("last_line", &words.line);
    if let Some(code) = status.code() {
        error = error.with("exit_code", code);
    }
    if let Some(refusal) = words.refusal {
        error = error.with("sidecar_reason", refusal.reason);
    }
    error
}

fn not_started(error: &io::Error) -> Error {
    let message = format!("the sidecar cannot be started: {error}");
    Error::new(reason::SPAWN_FAILED, message)
}

fn too_late(deadline: Duration) -> Error {
    let message = format!("the sidecar did not begin to serve within {deadline:?}");
    Error::new(reason::SPAWN_TIMEOUT, message)
}

#[cfg(windows)]
fn without_window(command: &mut Command) {
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn without_window(_: &mut Command) {}
