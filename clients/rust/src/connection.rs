//! How to dial a sidecar, how long to wait for it, and what lets us in.

use std::future::Future;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

use crate::error::{Error, Result, reason};
use crate::runtime_file;

/// How long most calls may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// For calls that ask other peers, or work through the game folder, before they answer.
pub(crate) const SLOW_DEADLINE: Duration = Duration::from_secs(30);
/// Removing a game of many small files from a slow disk.
pub(crate) const REMOVE_DEADLINE: Duration = Duration::from_secs(600);

/// How long a sidecar may take to let us in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// A call over a connection that says nothing for so long asks whether it is still there. An event
/// stream has its heartbeat more often; who asks more often than every 10 seconds is cut off.
const SILENCE: Duration = Duration::from_secs(20);
/// A connection that leaves that without an answer for so long is dead.
const SILENCE_AFTER_PING: Duration = Duration::from_secs(10);
/// What the certificate of every sidecar says; which one it is, the certificate itself tells.
const TLS_NAME: &str = "lanspread-peer";

/// Whether a sidecar that does not answer is worth waiting for.
pub(crate) type IsRunning = Arc<dyn Fn() -> bool + Send + Sync>;

/// Adds the token of the launch to every call.
#[derive(Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Token {
    pub(crate) fn new(token: &str) -> Result<Self> {
        let invalid = |_| {
            let message = "a token is printable ASCII";
            Error::new(reason::INVALID_FIELD, message).with("field", "token")
        };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(invalid)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        let header = self.0.clone();
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }
}

/// A connection that is made with the first call, and again whenever it broke.
///
/// With a certificate, in PEM, only a sidecar that has exactly this one is talked to.
pub(crate) fn channel_to(address: &str, certificate: Option<&str>) -> Result<Channel> {
    let endpoint = endpoint_of(address, certificate.is_some())?
        .connect_timeout(CONNECT_DEADLINE)
        .http2_keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE_AFTER_PING)
        .keep_alive_while_idle(false);
    let Some(certificate) = certificate else {
        return Ok(endpoint.connect_lazy());
    };
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(certificate))
        .domain_name(TLS_NAME)
        .timeout(CONNECT_DEADLINE);
    let invalid = |_| {
        let message = "a certificate is PEM, and for HOST:PORT";
        Error::new(reason::INVALID_FIELD, message).with("field", "tls_certificate")
    };
    Ok(endpoint.tls_config(tls).map_err(invalid)?.connect_lazy())
}

fn endpoint_of(address: &str, is_tls: bool) -> Result<Endpoint> {
    let invalid = |_| {
        let message = "an address is unix:/PATH or HOST:PORT";
        Error::new(reason::INVALID_FIELD, message).with("field", "address")
    };
    if address.starts_with("unix:") {
        return Endpoint::from_shared(address.to_owned()).map_err(invalid);
    }
    let scheme = if is_tls { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(invalid)?;
    // Elsewhere, the token would go over the network for all to read.
    if !is_tls && !endpoint.uri().host().is_some_and(is_this_machine) {
        let message =
            format!("{address} is not on this machine: expected the sidecar's certificate");
        return Err(Error::new(reason::TLS_REQUIRED, message).with("address", address));
    }
    Ok(endpoint)
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What a call answers, or DEADLINE_EXCEEDED.
pub(crate) async fn answer<A>(
    deadline: Duration,
    call: impl Future<Output = std::result::Result<Response<A>, Status>>,
) -> Result<A> {
    let answer = tokio::time::timeout(deadline, call)
        .await
        .map_err(|_| Error::deadline())?;
    Ok(answer?.into_inner())
}

/// Whether the launch that wrote the runtime file is still the one that it tells of.
pub(crate) fn same_launch(state_dir: &Path, instance_id: &str) -> bool {
    runtime_file::read(state_dir).is_ok_and(|launch| launch.instance_id == instance_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str) -> Option<String> {
        channel_to(address, None).err().map(|error| error.reason)
    }

    #[tokio::test]
    async fn without_a_certificate_only_this_machine_is_dialled() {
        for address in [
            "unix:/run/a.sock",
            "127.0.0.1:5000",
            "127.9.8.7:5000",
            "[::1]:5000",
            "localhost:5000",
        ] {
            assert_eq!(refusal(address), None, "{address}");
        }
        for address in [
            "192.0.2.1:5000",
            "0.0.0.0:5000",
            "[::]:5000",
            "[2001:db8::1]:5000",
            "[::ffff:192.0.2.1]:5000",
            "example.org:5000",
            "localhost.example.org:5000",
            "127.0.0.1.example.org:5000",
            "127.0.0.1:5000@example.org:5000",
        ] {
            assert_eq!(
                refusal(address).as_deref(),
                Some("TLS_REQUIRED"),
                "{address}"
            );
            assert!(channel_to(address, Some("")).is_ok(), "{address}");
        }
        assert_eq!(refusal("no address").as_deref(), Some("INVALID_FIELD"));
    }
}
