//! Shows what a running sidecar does, until it ends: `watch [STATE_DIR]`.

use std::path::PathBuf;

use lanspread_client::v1::snapshot_item::Item;
use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Download, SnapshotItem};
use lanspread_client::{Client, Error, TryStreamExt};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let state_dir = std::env::args_os().nth(1).map(PathBuf::from);
    let client = Client::connect(state_dir.as_deref())?;
    let mut events = client.events("");
    while let Some(message) = events.try_next().await? {
        if let Some(line) = message.event.and_then(line_of) {
            println!("{line}");
        }
    }
    println!("the sidecar has ended");
    Ok(())
}

fn line_of(event: Event) -> Option<String> {
    Some(match event {
        Event::SnapshotItem(SnapshotItem { item }) => match item? {
            Item::Game(game) => format!("game {}: {} peers have it", game.id, game.peer_count),
            Item::Peer(peer) => format!("peer {} {}: {:?}", peer.name, peer.id, peer.state()),
            Item::Download(download) => progress(&download),
            _ => return None,
        },
        Event::SnapshotComplete(_) => "-- from here on, what happens".to_owned(),
        Event::Heartbeat(_) => return None,
        Event::DownloadGameFilesProgress(event) => progress(&event.download?),
        Event::DownloadGameFilesFailed(event) => {
            let download = event.download?;
            let error = download.error.clone().unwrap_or_default();
            format!(
                "{}: {}: {}",
                progress(&download),
                error.reason,
                error.message
            )
        }
        Event::GamesUpdated(update) => {
            let ids = update.games.into_iter().map(|game| game.id);
            let ids: Vec<_> = ids.chain(update.removed_game_ids).collect();
            format!("changed: {}", ids.join(", "))
        }
        Event::Warning(warning) => format!("warning {}: {}", warning.code, warning.message),
        other => format!("{other:?}"),
    })
}

fn progress(download: &Download) -> String {
    let megabytes = |bytes: u64| bytes / 1_000_000;
    format!(
        "download {}: {:?}, {} of {} MB, {} MB/s",
        download.game_id,
        download.state(),
        megabytes(download.done_bytes),
        megabytes(download.total_bytes),
        megabytes(download.bytes_per_second),
    )
}
