//! The event stream that goes on by itself.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tonic::Streaming;

use crate::client::Client;
use crate::error::Result;
use crate::stream_place::StreamPlace;
use crate::v1::{WatchEventsRequest, WatchEventsResponse};
use crate::whole_snapshots::WholeSnapshots;

impl Client {
    /// What happens, from the message on whose `resume_token` is given, else from a snapshot.
    ///
    /// Ends when the sidecar does. A broken stream goes on by itself. When events were missed all
    /// the same, a new snapshot comes: at every `SnapshotComplete`, forget what was known before
    /// and take the `SnapshotItem` messages since the one before it. They come all together, once
    /// the snapshot is whole; of one that breaks off, none comes.
    pub fn events(&self, resume: &str) -> BoxStream<'static, Result<WatchEventsResponse>> {
        let following = Following {
            client: self.clone(),
            place: StreamPlace::new(resume.to_owned()),
            stream: None,
            snapshots: WholeSnapshots::default(),
        };
        let messages = stream::try_unfold(following, async |mut following| {
            let message = following.next().await?;
            Ok(message.map(|message| (message, following)))
        });
        messages.boxed()
    }
}

struct Following {
    client: Client,
    place: StreamPlace,
    stream: Option<Streaming<WatchEventsResponse>>,
    snapshots: WholeSnapshots,
}

impl Following {
    async fn next(&mut self) -> Result<Option<WatchEventsResponse>> {
        loop {
            if let Some(message) = self.snapshots.pop() {
                return Ok(Some(message));
            }
            match self.receive().await {
                Ok(Some(message)) => {
                    self.place.receive(&message);
                    self.snapshots.receive(message);
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.stream = None;
                    self.snapshots.break_off();
                    let is_running = || self.client.is_running();
                    let pause = self.place.pause_after(error, is_running)?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<WatchEventsResponse>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(open(&self.client, &self.place).await?),
        };
        Ok(stream.message().await?)
    }
}

async fn open(client: &Client, place: &StreamPlace) -> Result<Streaming<WatchEventsResponse>> {
    let request = WatchEventsRequest {
        resume_token: place.resume_token.clone(),
    };
    Ok(client.stub().watch_events(request).await?.into_inner())
}
