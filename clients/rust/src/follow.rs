//! One download out of the event stream, until it has ended.

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::client::Client;
use crate::error::{Error, Result, reason};
use crate::v1::snapshot_item::Item;
use crate::v1::watch_events_response::Event;
use crate::v1::{Download, DownloadGameFilesRequest, DownloadState, WatchEventsResponse};

/// Whether a download in this state has ended.
pub fn is_final(state: DownloadState) -> bool {
    matches!(
        state,
        DownloadState::Finished | DownloadState::Failed | DownloadState::Cancelled
    )
}

impl Client {
    /// The download now and after every change; ends after its final state, which its `state`
    /// tells. Dropping the stream does not cancel the download.
    pub fn follow_download(&self, download_id: &str) -> BoxStream<'static, Result<Download>> {
        let follower = Follower::new(download_id);
        let start = Some((self.events(""), follower));
        let downloads = stream::try_unfold(start, async |state| {
            let Some((mut events, mut follower)) = state else {
                return Ok(None);
            };
            while let Some(message) = events.try_next().await? {
                let Some(download) = follower.pick(message)? else {
                    continue;
                };
                let rest = Some((events, follower)).filter(|_| !is_final(download.state()));
                return Ok(Some((download, rest)));
            }
            let message = "the sidecar ended; what was waited for did not happen";
            Err(Error::new(reason::STREAM_ENDED, message))
        });
        downloads.boxed()
    }

    /// Starts a download and follows it until its end.
    pub fn download(
        &self,
        request: DownloadGameFilesRequest,
    ) -> BoxStream<'static, Result<Download>> {
        let client = self.clone();
        let downloads = stream::once(async move {
            let started = client.download_game_files(request).await?;
            Ok::<_, Error>(client.follow_download(&started.id))
        });
        downloads.try_flatten().boxed()
    }
}

struct Follower {
    download_id: String,
    is_known: bool,
}

impl Follower {
    fn new(download_id: &str) -> Self {
        Self {
            download_id: download_id.to_owned(),
            is_known: false,
        }
    }

    /// The download as the message shows it; DOWNLOAD_NOT_FOUND when there is none.
    fn pick(&mut self, message: WatchEventsResponse) -> Result<Option<Download>> {
        let Some(event) = message.event else {
            return Ok(None);
        };
        let is_whole = matches!(event, Event::SnapshotComplete(_));
        let found = download_in(event).filter(|found| found.id == self.download_id);
        if found.is_some() {
            self.is_known = true;
        } else if is_whole && !self.is_known {
            let message = format!("no download has the id {}", self.download_id);
            let error = Error::new(reason::DOWNLOAD_NOT_FOUND, message);
            return Err(error.with("download_id", &self.download_id));
        }
        Ok(found)
    }
}

fn download_in(event: Event) -> Option<Download> {
    match event {
        Event::SnapshotItem(part) => match part.item? {
            Item::Download(download) => Some(download),
            _ => None,
        },
        Event::DownloadGameFilesBegin(event) => event.download,
        Event::DownloadGameFilesProgress(event) => event.download,
        Event::DownloadGameFilesWaiting(event) => event.download,
        Event::DownloadGameFilesPaused(event) => event.download,
        Event::DownloadGameFilesResumed(event) => event.download,
        Event::DownloadGameFilesFinished(event) => event.download,
        Event::DownloadGameFilesFailed(event) => event.download,
        Event::DownloadGameFilesCancelled(event) => event.download,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{DownloadGameFilesFinished, SnapshotComplete, SnapshotItem};

    fn message(event: Event) -> WatchEventsResponse {
        WatchEventsResponse {
            event: Some(event),
            ..Default::default()
        }
    }

    fn download(id: &str) -> Download {
        Download {
            id: id.to_owned(),
            ..Default::default()
        }
    }

    fn item(id: &str) -> WatchEventsResponse {
        message(Event::SnapshotItem(SnapshotItem {
            item: Some(Item::Download(download(id))),
        }))
    }

    fn complete() -> WatchEventsResponse {
        message(Event::SnapshotComplete(SnapshotComplete::default()))
    }

    #[test]
    fn only_the_download_is_picked() {
        let mut follower = Follower::new("a");
        assert_eq!(follower.pick(item("b")), Ok(None));
        assert_eq!(follower.pick(item("a")), Ok(Some(download("a"))));
        assert_eq!(follower.pick(complete()), Ok(None));
        let end = DownloadGameFilesFinished {
            download: Some(download("a")),
        };
        let end = message(Event::DownloadGameFilesFinished(end));
        assert_eq!(follower.pick(end), Ok(Some(download("a"))));
    }

    #[test]
    fn a_snapshot_without_it_means_that_there_is_none() {
        let mut follower = Follower::new("a");
        assert_eq!(follower.pick(item("b")), Ok(None));
        let error = follower.pick(complete()).unwrap_err();
        assert_eq!(error.reason, reason::DOWNLOAD_NOT_FOUND);
        assert_eq!(error.metadata["download_id"], "a");
    }
}
