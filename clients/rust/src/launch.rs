//! What a sidecar tells of its launch, in the handshake as in the runtime file.

use std::fmt;

use serde_json::Value;

use crate::error::{Error, Result, reason};

const API: &str = "lanspread.peer.v1";
const HANDSHAKE: u64 = 1;

/// One launch of a sidecar, and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// `unix:/path`, or an address with its port.
    pub address: String,
    /// What lets us in.
    pub token: String,
    /// The process id.
    pub pid: u32,
    /// A random id of this launch.
    pub instance_id: String,
    /// The version of the program.
    pub version: String,
    /// The one to expect there, in PEM; None: it is dialled without TLS.
    pub tls_certificate: Option<String>,
}

impl Launch {
    /// Reads the line that a spawned sidecar prints; HANDSHAKE_INVALID or API_UNSUPPORTED.
    pub(crate) fn from_handshake(line: &[u8]) -> Result<Self> {
        let invalid = || {
            let message = "the program that was started printed no handshake of a sidecar";
            Error::new(reason::HANDSHAKE_INVALID, message)
        };
        let content: Value = serde_json::from_slice(line).map_err(|_| invalid())?;
        if content["lanspread"].as_u64() != Some(HANDSHAKE) {
            return Err(invalid());
        }
        Self::from_json(&content).ok_or_else(invalid)?
    }

    /// None when it cannot be understood; API_UNSUPPORTED when it is not for this client.
    pub(crate) fn from_json(content: &Value) -> Option<Result<Self>> {
        let text = |name: &str| content[name].as_str().map(str::to_owned);
        let api: Vec<&str> = content["api"]
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()?;
        let launch = Self {
            address: text("address")?,
            token: text("token")?,
            pid: content["pid"].as_u64()?.try_into().ok()?,
            instance_id: text("instance_id")?,
            version: text("version")?,
            tls_certificate: match &content["tls_certificate"] {
                Value::Null => None,
                certificate => Some(certificate.as_str()?.to_owned()),
            },
        };
        if api.contains(&API) {
            return Some(Ok(launch));
        }
        let message = format!("the sidecar speaks {}, this client {API}", api.join(", "));
        let error = Error::new(reason::API_UNSUPPORTED, message).with("version", launch.version);
        Some(Err(error))
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token must not get into a log.
        out.debug_struct("Launch")
            .field("address", &self.address)
            .field("pid", &self.pid)
            .field("instance_id", &self.instance_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line() -> Value {
        json!({
            "lanspread": 1, "address": "unix:/run/a.sock", "token": "t0ken", "pid": 7,
            "api": ["lanspread.peer.v1"], "version": "0.4.0", "instance_id": "i",
        })
    }

    fn reason_of(content: &Value) -> String {
        let line = content.to_string();
        Launch::from_handshake(line.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn a_handshake_is_read() {
        let launch = Launch::from_handshake(line().to_string().as_bytes()).unwrap();
        assert_eq!(launch.address, "unix:/run/a.sock");
        assert_eq!(launch.pid, 7);
        assert!(!format!("{launch:?}").contains("t0ken"));
    }

    #[test]
    fn a_certificate_is_carried_and_none_means_no_tls() {
        let read = |content: &Value| Launch::from_handshake(content.to_string().as_bytes());
        assert_eq!(read(&line()).unwrap().tls_certificate, None);
        let mut content = line();
        content["tls_certificate"] = json!("PEM");
        let launch = read(&content).unwrap();
        assert_eq!(launch.tls_certificate.as_deref(), Some("PEM"));
        content["tls_certificate"] = json!(7);
        assert_eq!(reason_of(&content), "HANDSHAKE_INVALID");
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_kind_is_invalid() {
        for name in [
            "lanspread",
            "address",
            "token",
            "pid",
            "api",
            "version",
            "instance_id",
        ] {
            let mut content = line();
            content.as_object_mut().unwrap().remove(name);
            assert_eq!(reason_of(&content), "HANDSHAKE_INVALID", "{name} missing");
            content[name] = json!({});
            assert_eq!(reason_of(&content), "HANDSHAKE_INVALID", "{name} wrong");
        }
        assert_eq!(reason_of(&json!([])), "HANDSHAKE_INVALID");
        for text in ["", "hello", "{\"lanspread\": 1"] {
            let error = Launch::from_handshake(text.as_bytes()).unwrap_err();
            assert_eq!(error.reason, "HANDSHAKE_INVALID", "{text}");
        }
    }

    #[test]
    fn another_handshake_or_api_is_refused() {
        let mut content = line();
        content["lanspread"] = json!(2);
        assert_eq!(reason_of(&content), "HANDSHAKE_INVALID");
        let mut content = line();
        content["api"] = json!(["lanspread.peer.v2"]);
        assert_eq!(reason_of(&content), "API_UNSUPPORTED");
    }
}
