//! The event stream: broken off, and resumed.

use std::hash::{BuildHasher as _, RandomState};

use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{WatchEventsRequest, WatchEventsResponse};
use lanspread_client::{Client, reason};

use crate::cut_proxy::CutProxy;
use crate::following::{Events, first, next, no_other_final, snapshot_end};
use crate::given::{Failure, Given, Outcome, end, expect_equal, expect_reason, seeded_game};

/// One stream is dropped and gone on with by its token; under another one the connection breaks.
pub async fn resume(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let launch = sidecar.launch();
    let proxy = CutProxy::start(&launch.address).await?;
    let mut dropped = client.events("");
    let mut cut = Client::new(&proxy.address, &launch.token)?.events("");
    snapshot_end(&mut dropped).await?;
    snapshot_end(&mut cut).await?;
    let request = seeded_game(client).await?;
    let started = client.download_game_files(request).await?;
    let drops = numbers(client, dropped, &started.id, |events, message| {
        drop(events);
        client.events(&message.resume_token)
    });
    let cuts = numbers(client, cut, &started.id, |events, _| {
        proxy.cut();
        events
    });
    let (drops, cuts) = tokio::try_join!(drops, cuts)?;
    expect_no_gap(drops)?;
    expect_no_gap(cuts)?;
    end(sidecar).await
}

/// The numbers up to the end of the download and beyond, with breaks in the middle of it.
async fn numbers(
    client: &Client,
    mut events: Events,
    download_id: &str,
    mut broken: impl FnMut(Events, &WatchEventsResponse) -> Events,
) -> Result<Vec<u64>, Failure> {
    let mut numbers = Vec::new();
    loop {
        let message = next(&mut events).await?;
        if message.sequence == 0 {
            continue;
        }
        numbers.push(message.sequence);
        // Once in the middle for certain, and wherever else chance has it.
        let is_certain = match message.event {
            Some(Event::DownloadGameFilesFinished(_)) => break,
            Some(Event::DownloadGameFilesBegin(_)) => true,
            _ => false,
        };
        if is_certain || flips_heads() {
            events = broken(events, &message);
        }
    }
    numbers.extend(no_other_final(client, &mut events, download_id).await?);
    Ok(numbers)
}

fn expect_no_gap(numbers: Vec<u64>) -> Outcome {
    let expected: Vec<u64> = (numbers[0]..).take(numbers.len()).collect();
    expect_equal("numbers", numbers, expected)
}

fn flips_heads() -> bool {
    RandomState::new().hash_one(0) & 1 == 0
}

pub async fn expired_token(given: &Given) -> Outcome {
    let old = given.spawn().await?;
    let (token, _) = snapshot_end(&mut old.client().events("")).await?;
    end(old).await?;
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let request = WatchEventsRequest {
        resume_token: token.clone(),
    };
    let raw = first(client.stub().watch_events(request)).await;
    expect_reason(raw, reason::RESUME_TOKEN_EXPIRED)?;
    let (_, instance_id) = snapshot_end(&mut client.events(&token)).await?;
    expect_equal("instance_id", &instance_id, &sidecar.launch().instance_id)?;
    end(sidecar).await
}
