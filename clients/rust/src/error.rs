//! The one error of the library, with everything the sidecar said about it.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Reasons that the library itself gives; the sidecar has many more.
pub mod reason {
    /// No sidecar runs with that state folder.
    pub const NOT_RUNNING: &str = "NOT_RUNNING";
    /// The sidecar cannot be reached.
    pub const NO_ANSWER: &str = "NO_ANSWER";
    /// The sidecar ended before what was waited for.
    pub const STREAM_ENDED: &str = "STREAM_ENDED";
    /// The events after a resume token are gone.
    pub const RESUME_TOKEN_EXPIRED: &str = "RESUME_TOKEN_EXPIRED";
    /// The sidecar took longer than the deadline of the call.
    pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
    /// No such download is known.
    pub const DOWNLOAD_NOT_FOUND: &str = "DOWNLOAD_NOT_FOUND";
    /// A value that no sidecar can take; the metadata `field` names it.
    pub const INVALID_FIELD: &str = "INVALID_FIELD";
    /// The runtime file is not ours alone.
    pub const RUNTIME_FILE_UNSAFE: &str = "RUNTIME_FILE_UNSAFE";
    /// The runtime file cannot be understood.
    pub const RUNTIME_FILE_INVALID: &str = "RUNTIME_FILE_INVALID";
    /// The sidecar does not speak `lanspread.peer.v1`.
    pub const API_UNSUPPORTED: &str = "API_UNSUPPORTED";
    /// The sidecar could not be started, or ended instead; the metadata `exit_code`, `last_line`
    /// of its log, and `sidecar_reason` tell more, as far as they are known.
    pub const SPAWN_FAILED: &str = "SPAWN_FAILED";
    /// The sidecar did not begin to serve in time; it was killed.
    pub const SPAWN_TIMEOUT: &str = "SPAWN_TIMEOUT";
    /// An address beyond this machine was given without the certificate to expect there.
    pub const TLS_REQUIRED: &str = "TLS_REQUIRED";
    /// What was started is no sidecar: its first line is no handshake.
    pub const HANDSHAKE_INVALID: &str = "HANDSHAKE_INVALID";
}

/// What every call of this library gives.
pub type Result<T> = std::result::Result<T, Error>;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Stable, in UPPER_SNAKE: decide by it.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The values in that sentence.
    pub metadata: HashMap<String, String>,
    /// The gRPC code; `None` when no call was made.
    pub code: Option<Code>,
}

impl Error {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            message: message.into(),
            metadata: HashMap::new(),
            code: None,
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    pub(crate) fn no_answer() -> Self {
        Self::new(reason::NO_ANSWER, "the sidecar does not answer")
    }

    pub(crate) fn deadline() -> Self {
        let message = "the sidecar took too long to answer";
        Self {
            code: Some(Code::DeadlineExceeded),
            ..Self::new(reason::DEADLINE_EXCEEDED, message)
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let code = Some(status.code());
        if let Some(info) = status.get_details_error_info() {
            return Self {
                reason: info.reason,
                message: status.message().to_owned(),
                metadata: info.metadata,
                code,
            };
        }
        // A status that was made here, from a broken connection, has a source and often no better
        // code than UNKNOWN.
        if status.code() == Code::Unavailable || status.source().is_some() {
            return Self {
                code,
                ..Self::no_answer()
            };
        }
        if status.code() == Code::DeadlineExceeded {
            return Self::deadline();
        }
        Self {
            code,
            ..Self::new(&name_of(status.code()), status.message())
        }
    }
}

/// `NotFound` as gRPC spells it: `NOT_FOUND`.
fn name_of(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn error_info_is_taken_over() {
        let values = HashMap::from([("game_id".to_owned(), "aoe2".to_owned())]);
        let details = ErrorDetails::with_error_info("GAME_NOT_FOUND", "lanspread.peer", values);
        let status = Status::with_error_details(Code::NotFound, "no such game", details);
        let error = Error::from(status);
        assert_eq!(error.reason, "GAME_NOT_FOUND");
        assert_eq!(error.message, "no such game");
        assert_eq!(error.metadata["game_id"], "aoe2");
        assert_eq!(error.code, Some(Code::NotFound));
    }

    #[test]
    fn without_error_info_the_code_is_the_reason() {
        assert_eq!(
            Error::from(Status::failed_precondition("not now")).reason,
            "FAILED_PRECONDITION"
        );
        assert_eq!(Error::from(Status::unavailable("")).reason, "NO_ANSWER");
        let late = Error::from(Status::deadline_exceeded(""));
        assert_eq!(late.reason, "DEADLINE_EXCEEDED");
    }

    #[test]
    fn a_broken_connection_is_no_answer_whatever_its_code() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let status = Status::from_error(Box::new(broken));
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(Error::from(status).reason, "NO_ANSWER");
    }
}
