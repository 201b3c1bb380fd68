//! A connection to one sidecar.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::connection::{IsRunning, Token, channel_to, same_launch};
use crate::error::Result;
use crate::launch::Launch;
use crate::runtime_file::{self, default_state_dir};
use crate::v1::peer_service_client::PeerServiceClient;

/// The client as tonic makes it, with the token added to every call.
pub type Stub = PeerServiceClient<InterceptedService<Channel, Token>>;

/// A connection to one sidecar. A clone is cheap, and uses the same connection.
///
/// Unary calls have a deadline: 10 seconds, or 30 for those that ask other peers or the disk.
#[derive(Clone)]
pub struct Client {
    address: String,
    channel: Channel,
    token: Token,
    is_running: IsRunning,
}

impl Client {
    /// A client of the sidecar at this address, `unix:/PATH` or `HOST:PORT`.
    ///
    /// It connects with the first call. INVALID_FIELD when no address or token looks like that,
    /// TLS_REQUIRED for an address beyond this machine.
    pub fn new(address: &str, token: &str) -> Result<Self> {
        Self::with_target(address, token, None, Arc::new(|| true))
    }

    /// The same for a sidecar that speaks TLS: only one that has exactly this certificate, in
    /// PEM, is talked to.
    pub fn with_tls(address: &str, token: &str, certificate: &str) -> Result<Self> {
        Self::with_target(address, token, Some(certificate), Arc::new(|| true))
    }

    /// A client of the sidecar that runs with this state folder; None: this user's default.
    ///
    /// NOT_RUNNING, RUNTIME_FILE_UNSAFE, RUNTIME_FILE_INVALID or API_UNSUPPORTED when there is none.
    pub fn connect(state_dir: Option<&Path>) -> Result<Self> {
        let state_dir =
            state_dir.map_or_else(default_state_dir, |given| Ok(PathBuf::from(given)))?;
        let launch = runtime_file::read(&state_dir)?;
        let instance_id = launch.instance_id.clone();
        let is_running = Arc::new(move || same_launch(&state_dir, &instance_id));
        Self::of_launch(&launch, is_running)
    }

    pub(crate) fn of_launch(launch: &Launch, is_running: IsRunning) -> Result<Self> {
        let certificate = launch.tls_certificate.as_deref();
        Self::with_target(&launch.address, &launch.token, certificate, is_running)
    }

    fn with_target(
        address: &str,
        token: &str,
        certificate: Option<&str>,
        is_running: IsRunning,
    ) -> Result<Self> {
        Ok(Self {
            address: address.to_owned(),
            channel: channel_to(address, certificate)?,
            token: Token::new(token)?,
            is_running,
        })
    }

    /// Every call of the service as tonic makes it: no deadline, and `tonic::Status` for errors.
    pub fn stub(&self) -> Stub {
        PeerServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    /// The bare connection, without the token, for other services such as health.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn is_running(&self) -> bool {
        (self.is_running)()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token must not get into a log.
        out.debug_struct("Client")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
