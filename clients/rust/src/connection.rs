//! How to dial a sidecar, how long to wait for it, and what lets us in.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::error::{Error, Result, reason};
use crate::runtime_file;

/// How long most calls may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// For calls that ask other peers, or work through the game folder, before they answer.
pub(crate) const SLOW_DEADLINE: Duration = Duration::from_secs(30);
/// Removing a game of many small files from a slow disk.
pub(crate) const REMOVE_DEADLINE: Duration = Duration::from_secs(600);

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
pub(crate) fn channel_to(address: &str) -> Result<Channel> {
    let uri = if address.starts_with("unix:") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let invalid = |_| {
        let message = "an address is unix:/PATH or HOST:PORT";
        Error::new(reason::INVALID_FIELD, message).with("field", "address")
    };
    Ok(Endpoint::from_shared(uri).map_err(invalid)?.connect_lazy())
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
