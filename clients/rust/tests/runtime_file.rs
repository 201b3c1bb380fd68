//! Which runtime files are believed.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use lanspread_client::serde_json::{Value, json};
use lanspread_client::{Client, Error};

/// A state folder of its own, removed at the end.
struct StateDir(PathBuf);

impl StateDir {
    fn new(name: &str) -> Self {
        let name = format!("lanspread-client-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("runtime.json")
    }

    fn write(&self, content: &str) {
        fs::write(self.file(), content).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn connect(&self) -> Result<Client, Error> {
        Client::connect(Some(&self.0))
    }

    fn refusal(&self) -> String {
        self.connect().unwrap_err().reason
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(socket: &Path) -> Value {
    json!({
        "address": format!("unix:{}", socket.display()), "token": "t0ken", "pid": 7,
        "api": ["lanspread.peer.v1"], "version": "0.4.0", "instance_id": "i", "started_at": 1.5,
    })
}

#[tokio::test]
async fn a_private_file_of_a_living_socket_is_believed() {
    let state = StateDir::new("good");
    let socket = state.0.join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    state.write(&content(&socket).to_string());
    let client = state.connect().unwrap();
    assert!(!format!("{client:?}").contains("t0ken"));
}

#[tokio::test]
async fn a_file_that_others_may_read_is_not() {
    let state = StateDir::new("open");
    state.write(&content(&state.0.join("s")).to_string());
    fs::set_permissions(state.file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(state.refusal(), "RUNTIME_FILE_UNSAFE");
}

#[tokio::test]
async fn a_link_is_not_followed() {
    let state = StateDir::new("link");
    let socket = state.0.join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    state.write(&content(&socket).to_string());
    fs::rename(state.file(), state.0.join("elsewhere")).unwrap();
    symlink(state.0.join("elsewhere"), state.file()).unwrap();
    assert_eq!(state.refusal(), "RUNTIME_FILE_INVALID");
}

#[tokio::test]
async fn without_a_file_or_its_socket_nothing_runs() {
    let state = StateDir::new("gone");
    assert_eq!(state.refusal(), "NOT_RUNNING");
    state.write(&content(&state.0.join("s")).to_string());
    assert_eq!(state.refusal(), "NOT_RUNNING");
}

#[tokio::test]
async fn a_file_in_place_of_the_socket_is_refused() {
    let state = StateDir::new("file");
    let socket = state.0.join("s");
    fs::write(&socket, "").unwrap();
    state.write(&content(&socket).to_string());
    assert_eq!(state.refusal(), "RUNTIME_FILE_UNSAFE");
}

#[tokio::test]
async fn nonsense_and_another_api_are_refused() {
    let state = StateDir::new("nonsense");
    for text in ["", "[]", "{}", "\u{0}", &"[".repeat(100_000)] {
        state.write(text);
        assert_eq!(state.refusal(), "RUNTIME_FILE_INVALID");
    }
    let mut other = content(&state.0.join("s"));
    other["api"] = json!(["lanspread.peer.v2"]);
    state.write(&other.to_string());
    assert_eq!(state.refusal(), "API_UNSUPPORTED");
}
