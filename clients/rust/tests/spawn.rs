//! What becomes of processes that are no good sidecars, each a real one.

#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use lanspread_client::{Error, Options, Sidecar, TryStreamExt as _};
use tokio::time::Instant;

const HANDSHAKE: &str = r#"{"lanspread": 1, "address": "unix:/nowhere", "token": "t", "pid": '$$',
    "api": ["lanspread.peer.v1"], "version": "0", "instance_id": "i"}"#;

fn options(script: &str) -> Options {
    Options::new(["sh", "-c", script], "games", "state")
}

async fn refused(options: Options) -> Error {
    match Sidecar::spawn(options).await {
        Ok(sidecar) => panic!("spawned {:?}", sidecar.launch()),
        Err(error) => error,
    }
}

/// Exchanges handshakes, then runs the rest.
fn ready(rest: &str) -> String {
    format!(
        "read -r line; printf '%s\\n' '{}'; {rest}",
        HANDSHAKE.replace('\n', "")
    )
}

fn runs(pid: u32) -> bool {
    let check = std::process::Command::new("kill")
        .args(["-0", &pid.to_string()])
        .output();
    check.unwrap().status.success()
}

#[tokio::test]
async fn a_program_that_is_missing() {
    let error = refused(Options::new(["/no/such/program"], "games", "state")).await;
    assert_eq!(error.reason, "SPAWN_FAILED");
}

#[tokio::test]
async fn one_that_ends_tells_why() {
    let script = "echo starting >&2; echo 'lanspread-peer: HANDSHAKE_REFUSED: no' >&2; exit 5";
    let error = refused(options(script)).await;
    assert_eq!(error.reason, "SPAWN_FAILED");
    assert_eq!(error.message, "the sidecar did not start: no");
    assert_eq!(error.metadata["exit_code"], "5");
    assert_eq!(error.metadata["sidecar_reason"], "HANDSHAKE_REFUSED");
    assert_eq!(
        error.metadata["last_line"],
        "lanspread-peer: HANDSHAKE_REFUSED: no"
    );
}

#[tokio::test]
async fn one_that_is_no_sidecar() {
    let error = refused(options("echo hello; exec sleep 600")).await;
    assert_eq!(error.reason, "HANDSHAKE_INVALID");
}

#[tokio::test]
async fn one_that_prints_without_end_and_without_a_line() {
    let error = refused(options("exec tr '\\0' x </dev/zero")).await;
    assert_eq!(error.reason, "HANDSHAKE_INVALID");
}

#[tokio::test]
async fn one_that_says_nothing_is_killed() {
    let folder = std::env::temp_dir().join(format!("lanspread-client-{}", std::process::id()));
    let script = format!("echo $$ >'{}'; exec sleep 600", folder.display());
    let mut options = options(&script);
    options.start_deadline = Duration::from_secs(2);
    let error = refused(options).await;
    assert_eq!(error.reason, "SPAWN_TIMEOUT");
    let pid = read_pid(&folder);
    assert!(!runs(pid), "{pid} still runs");
}

fn read_pid(path: &Path) -> u32 {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    text.trim().parse().unwrap()
}

#[tokio::test]
async fn what_is_logged_and_printed_is_read_always() {
    // More than any pipe holds, on both.
    let flood = "dd if=/dev/zero bs=1000 count=1000 2>/dev/null";
    let script = ready(&format!("{flood}; {flood} >&2; cat; exit 7"));
    let sidecar = Sidecar::spawn(options(&script)).await.unwrap();
    let status = sidecar.shutdown().await.unwrap();
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn one_that_does_not_end_is_killed() {
    let sidecar = Sidecar::spawn(options(&ready("exec sleep 600")))
        .await
        .unwrap();
    let pid = sidecar.launch().pid;
    assert!(runs(pid));
    let status = sidecar.shutdown().await.unwrap();
    assert_eq!(status.code(), None);
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_dropped_one_ends_by_itself() {
    let mut options = options(&ready("cat; echo bye >&2"));
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    options.on_log = Some(Box::new(move |line| say.send(line.to_owned()).unwrap()));
    let sidecar = Sidecar::spawn(options).await.unwrap();
    drop(sidecar);
    assert_eq!(said.recv().await.as_deref(), Some("bye"));
    // Its stderr is closed, as it is gone.
    assert_eq!(said.recv().await, None);
}

#[tokio::test]
async fn a_dropped_one_that_does_not_end_is_killed() {
    let mut options = options(&ready("exec sleep 600"));
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    options.on_log = Some(Box::new(move |line| say.send(line.to_owned()).unwrap()));
    let sidecar = Sidecar::spawn(options).await.unwrap();
    drop(sidecar);
    assert_eq!(said.recv().await, None);
}

#[tokio::test]
async fn calls_of_an_ended_one_have_no_answer() {
    let sidecar = Sidecar::spawn(options(&ready("exit 3"))).await.unwrap();
    assert_eq!(sidecar.wait().await.unwrap().code(), Some(3));
    let client = sidecar.client();
    assert_eq!(client.get_status().await.unwrap_err().reason, "NO_ANSWER");
    // Nobody waits for one that is known to be gone.
    tokio::time::pause();
    let before = Instant::now();
    let error = client.events("").try_next().await.unwrap_err();
    assert_eq!(error.reason, "NO_ANSWER");
    assert_eq!(before.elapsed(), Duration::ZERO);
}
