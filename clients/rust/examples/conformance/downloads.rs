//! Downloads: one that finishes, one that is cancelled.

use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Download, DownloadState, Settings};
use lanspread_client::{Client, TryStreamExt as _};

use crate::following::{Events, final_in, next, no_other_final, snapshot_end};
use crate::given::{Failure, Given, Outcome, end, expect, expect_equal, seeded_game};

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
    let game_dir = given.game_dir.join(&request.game_id);
    let mut events = client.events("");
    snapshot_end(&mut events).await?;
    let started = client.download_game_files(request).await?;
    until_begun(&mut events, &started.id).await?;
    let answer = client.cancel_download(&started.id).await?;
    expect_cancelled("the answer", &answer)?;
    expect_cancelled("the event", &until_final(&mut events, &started.id).await?)?;
    no_other_final(client, &mut events, &started.id).await?;
    expect_cancelled("later", &client.get_download(&started.id).await?)?;
    expect(!game_dir.exists(), "something of the game is left")?;
    expect_no_game(client, &started.game_id).await?;
    end(sidecar).await
}

async fn until_begun(events: &mut Events, download_id: &str) -> Outcome {
    loop {
        let Some(Event::DownloadGameFilesBegin(begin)) = next(events).await?.event else {
            continue;
        };
        if begin.download.is_some_and(|found| found.id == download_id) {
            return Ok(());
        }
    }
}

async fn until_final(events: &mut Events, download_id: &str) -> Result<Download, Failure> {
    loop {
        let found = next(events).await?.event.and_then(final_in);
        if let Some(found) = found.filter(|found| found.id == download_id) {
            return Ok(found);
        }
    }
}

fn expect_cancelled(what: &str, download: &Download) -> Outcome {
    expect_equal(what, download.state(), DownloadState::Cancelled)?;
    expect_equal(what, &download.error, &None)
}

async fn expect_no_game(client: &Client, game_id: &str) -> Outcome {
    let games: Vec<_> = client.list_games(0).try_collect().await?;
    let of_game = games.into_iter().find(|game| game.id == game_id);
    let local = of_game.and_then(|game| game.local);
    let content_id = local.map(|local| local.content_id).unwrap_or_default();
    expect_equal("local content", content_id.as_str(), "")
}
