//! The runtime file: where a running sidecar says how to reach it.
//!
//! Only a file that is ours and private is believed: whoever could write it could have us hand a
//! token, and our commands, to a program of theirs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, reason};
use crate::launch::Launch;

const FILE_NAME: &str = "runtime.json";
const MAX_BYTES: u64 = 64 * 1024;

/// The state folder that a sidecar of this user takes by itself; NOT_RUNNING without a home.
pub fn default_state_dir() -> Result<PathBuf> {
    // Only Linux and its kin have a folder for state; the others keep it with local data.
    let parent = dirs::state_dir().or_else(dirs::data_local_dir);
    let none = || Error::new(reason::NOT_RUNNING, "this user has no home folder");
    Ok(parent.ok_or_else(none)?.join("lanspread-peer"))
}

/// What the sidecar of this state folder says.
///
/// NOT_RUNNING without a file, RUNTIME_FILE_UNSAFE when it is not ours or others may touch it,
/// RUNTIME_FILE_INVALID when it cannot be understood.
pub(crate) fn read(state_dir: &Path) -> Result<Launch> {
    let path = state_dir.join(FILE_NAME);
    let data = read_private(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_running(state_dir),
        io::ErrorKind::PermissionDenied => not_private(&path),
        _ => invalid(&path, &error.to_string()),
    })?;
    let content =
        serde_json::from_slice(&data).map_err(|error| invalid(&path, &error.to_string()))?;
    let launch =
        Launch::from_json(&content).ok_or_else(|| invalid(&path, "cannot be understood"))??;
    check_socket(state_dir, &launch.address)?;
    Ok(launch)
}

/// A file that is not ours alone gives `PermissionDenied`.
fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    // Looked at through the open file, so that it cannot be another one by then.
    if !is_private(&file)? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut data = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut data)?;
    Ok(data)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let state = file.metadata()?;
    Ok(state.uid() == own_uid() && state.mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &File) -> io::Result<bool> {
    // The folders of a user are his alone there.
    Ok(true)
}

#[cfg(unix)]
fn own_uid() -> u32 {
    // SAFETY: it takes nothing, changes nothing, and cannot fail.
    unsafe { libc::getuid() }
}

#[cfg(unix)]
fn check_socket(state_dir: &Path, address: &str) -> Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let Some(path) = address.strip_prefix("unix:") else {
        return Ok(());
    };
    let state = std::fs::symlink_metadata(path).map_err(|_| not_running(state_dir))?;
    // A sidecar that was killed leaves its address to whoever takes it next.
    if state.file_type().is_socket() && state.uid() == own_uid() {
        return Ok(());
    }
    let message = format!("{address} is not a socket of ours");
    Err(Error::new(reason::RUNTIME_FILE_UNSAFE, message))
}

#[cfg(not(unix))]
fn check_socket(_: &Path, _: &str) -> Result<()> {
    Ok(())
}

fn not_running(state_dir: &Path) -> Error {
    let message = format!(
        "no sidecar runs with the state folder {}",
        state_dir.display()
    );
    Error::new(reason::NOT_RUNNING, message).with("state_dir", state_dir.display())
}

fn not_private(path: &Path) -> Error {
    let message = format!(
        "{} is not private: expected it to be ours with mode 0600",
        path.display()
    );
    Error::new(reason::RUNTIME_FILE_UNSAFE, message).with("path", path.display())
}

fn invalid(path: &Path, why: &str) -> Error {
    let message = format!("{}: {why}", path.display());
    Error::new(reason::RUNTIME_FILE_INVALID, message).with("path", path.display())
}
