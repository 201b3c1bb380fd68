//! What the scenarios that follow events share.

use lanspread_client::tonic::{Response, Status, Streaming};
use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Download, Settings, WatchEventsResponse};
use lanspread_client::{BoxStream, Client, Error, TryStreamExt as _};

use crate::given::{Failure, expect_equal};

pub type Events = BoxStream<'static, Result<WatchEventsResponse, Error>>;

pub async fn next(events: &mut Events) -> Result<WatchEventsResponse, Failure> {
    let message = events.try_next().await?;
    message.ok_or_else(|| "the event stream ended".into())
}

/// The first message of a stream as tonic opens it, without the library's help.
pub async fn first<M>(
    opened: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
) -> Result<Option<M>, Error> {
    Ok(opened.await?.into_inner().message().await?)
}

/// Reads the snapshot; the token that goes on after it, and the launch that it is of.
pub async fn snapshot_end(events: &mut Events) -> Result<(String, String), Failure> {
    loop {
        let message = next(events).await?;
        match message.event {
            Some(Event::SnapshotComplete(end)) => {
                return Ok((message.resume_token, end.instance_id));
            }
            Some(Event::SnapshotItem(_)) => {}
            other => return Err(format!("expected a snapshot, got {other:?}").into()),
        }
    }
}

/// Changes a setting, and reads up to the event of that: none may be another final one of the
/// download. The numbers of what was read.
pub async fn no_other_final(
    client: &Client,
    events: &mut Events,
    download_id: &str,
) -> Result<Vec<u64>, Failure> {
    let settings = Settings {
        patience_seconds: Some(61.0),
        ..Default::default()
    };
    client.update_settings(settings, &[]).await?;
    let mut numbers = Vec::new();
    loop {
        let message = next(events).await?;
        numbers.extend(Some(message.sequence).filter(|&number| number > 0));
        let Some(event) = message.event else {
            continue;
        };
        if matches!(event, Event::SettingsChanged(_)) {
            return Ok(numbers);
        }
        let other = final_in(event).filter(|found| found.id == download_id);
        expect_equal("another final event", other, None)?;
    }
}

/// The download that a final event ends.
pub fn final_in(event: Event) -> Option<Download> {
    match event {
        Event::DownloadGameFilesFinished(event) => event.download,
        Event::DownloadGameFilesFailed(event) => event.download,
        Event::DownloadGameFilesCancelled(event) => event.download,
        _ => None,
    }
}
