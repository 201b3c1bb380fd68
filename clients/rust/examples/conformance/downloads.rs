//! Downloads: one that finishes, one that is cancelled.

use lanspread_client::TryStreamExt as _;
use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Download, DownloadState, Settings, WatchEventsResponse};

use crate::following::{EventRecord, download_in};
use crate::given::{Given, Outcome, end, expect, expect_equal, seeded_game};

/// The least that a sidecar takes, so that the download lasts.
const SLOW_BYTES_PER_SECOND: i64 = 512 * 1024;

pub async fn download(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let request = seeded_game(client).await?;
    let started = client.download_game_files(request.clone()).await?;
    let again = client.download_game_files(request).await?;
    expect_equal("the second call's id", &again.id, &started.id)?;
    let mut downloads = client.follow_download(&started.id);
    let mut last: Option<Download> = None;
    while let Some(download) = downloads.try_next().await? {
        let before = last.map_or(0, |last| last.done_bytes);
        let is_forward = download.done_bytes >= before;
        expect(is_forward, "progress went back")?;
        last = Some(download);
    }
    let last = last.ok_or("no progress was told")?;
    expect_equal("state", last.state(), DownloadState::Finished)?;
    expect_equal("bytes", last.done_bytes, last.total_bytes)?;
    end(sidecar).await
}

pub async fn cancel(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let slow = Settings {
        download_bytes_per_second: Some(SLOW_BYTES_PER_SECOND),
        ..Default::default()
    };
    client.update_settings(slow, &[]).await?;
    let request = seeded_game(client).await?;
    let game = given.game_dir.join(&request.game_id);
    let mut record = EventRecord::default();
    let mut events = client.events("");
    record.snapshot_end(&mut events).await?;
    let started = client.download_game_files(request).await?;
    while done_bytes(record.take(&mut events).await?) == 0 {}
    let cancelled = client.cancel_download(&started.id).await?;
    expect_equal("state", cancelled.state(), DownloadState::Cancelled)?;
    expect_equal("error", cancelled.error, None)?;
    record.up_to_the_end(client, &mut events).await?;
    let is_cancelled = |event: &Event| matches!(event, Event::DownloadGameFilesCancelled(_));
    record.expect_one_final("expected one to be cancelled", is_cancelled)?;
    expect(!game.exists(), "something of the game is left")?;
    end(sidecar).await
}

fn done_bytes(message: WatchEventsResponse) -> u64 {
    let event = message.event.as_ref();
    event
        .and_then(download_in)
        .map_or(0, |found| found.done_bytes)
}
