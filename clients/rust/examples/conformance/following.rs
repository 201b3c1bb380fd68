//! What the scenarios that follow events share.

use lanspread_client::tonic::{Response, Status, Streaming};
use lanspread_client::v1::snapshot_item::Item;
use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Download, Game, Settings, SnapshotItem, WatchEventsResponse};
use lanspread_client::{BoxStream, Client, Error, TryStreamExt as _};

use crate::given::{Failure, Outcome, expect, expect_equal};

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

/// What was told over all streams.
#[derive(Default)]
pub struct EventRecord {
    pub resume_token: String,
    /// The launch that the last snapshot was of.
    pub instance_id: String,
    pub snapshots: u32,
    latest: u64,
    finals: Vec<Event>,
}

impl EventRecord {
    /// Reads a message, which must follow on the one before it.
    pub async fn take(&mut self, events: &mut Events) -> Result<WatchEventsResponse, Failure> {
        let message = next(events).await?;
        if !message.resume_token.is_empty() {
            self.resume_token.clone_from(&message.resume_token);
        }
        if let Some(Event::SnapshotComplete(end)) = &message.event {
            self.snapshots += 1;
            self.instance_id.clone_from(&end.instance_id);
        }
        if message.sequence > 0 {
            self.take_numbered(&message)?;
        }
        Ok(message)
    }

    fn take_numbered(&mut self, message: &WatchEventsResponse) -> Outcome {
        if self.latest > 0 {
            expect_equal("sequence", message.sequence, self.latest + 1)?;
        }
        self.latest = message.sequence;
        self.finals.extend(message.event.clone().filter(is_final));
        Ok(())
    }

    pub async fn snapshot_end(&mut self, events: &mut Events) -> Outcome {
        while self.snapshots == 0 {
            self.take(events).await?;
        }
        Ok(())
    }

    /// Reads up to a numbered event that tells of this download.
    pub async fn of_download(&mut self, events: &mut Events, download_id: &str) -> Outcome {
        loop {
            let message = self.take(events).await?;
            let found = message.event.as_ref().and_then(download_in);
            if message.sequence > 0 && found.is_some_and(|found| found.id == download_id) {
                return Ok(());
            }
        }
    }

    /// Reads up to the event of a new name that is set now.
    pub async fn up_to_new_name(
        &mut self,
        client: &Client,
        events: &mut Events,
        name: &str,
    ) -> Outcome {
        let settings = Settings {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        client.update_settings(settings, &["name"]).await?;
        loop {
            let Some(Event::SettingsChanged(change)) = self.take(events).await?.event else {
                continue;
            };
            if change
                .settings
                .is_some_and(|settings| settings.name() == name)
            {
                return Ok(());
            }
        }
    }

    /// Reads up to the final event of a download, and on to a mark after it.
    pub async fn up_to_the_end(&mut self, client: &Client, events: &mut Events) -> Outcome {
        while self.finals.is_empty() {
            self.take(events).await?;
        }
        self.up_to_new_name(client, events, "the end").await
    }

    /// There was one final event, and this is so of it; and no snapshot but the first.
    pub fn expect_one_final(&self, what: &str, is_so: impl Fn(&Event) -> bool) -> Outcome {
        expect_equal("snapshots", self.snapshots, 1)?;
        let is_one = self.finals.len() == 1 && self.finals.iter().all(is_so);
        expect(is_one, &format!("{what}, and not {:?}", self.finals))
    }
}

fn is_final(event: &Event) -> bool {
    matches!(
        event,
        Event::DownloadGameFilesFinished(_)
            | Event::DownloadGameFilesFailed(_)
            | Event::DownloadGameFilesCancelled(_)
    )
}

/// The download that an event tells of.
pub fn download_in(event: &Event) -> Option<&Download> {
    match event {
        Event::DownloadGameFilesBegin(event) => event.download.as_ref(),
        Event::DownloadGameFilesProgress(event) => event.download.as_ref(),
        Event::DownloadGameFilesWaiting(event) => event.download.as_ref(),
        Event::DownloadGameFilesPaused(event) => event.download.as_ref(),
        Event::DownloadGameFilesResumed(event) => event.download.as_ref(),
        Event::DownloadGameFilesFinished(event) => event.download.as_ref(),
        Event::DownloadGameFilesFailed(event) => event.download.as_ref(),
        Event::DownloadGameFilesCancelled(event) => event.download.as_ref(),
        _ => None,
    }
}

/// The titles that a message tells of.
pub fn games_in(message: WatchEventsResponse) -> Vec<Game> {
    match message.event {
        Some(Event::SnapshotItem(SnapshotItem {
            item: Some(Item::Game(game)),
        })) => vec![game],
        Some(Event::GamesUpdated(update)) => update.games,
        _ => Vec::new(),
    }
}
