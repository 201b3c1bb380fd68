//! The event stream: broken off, and resumed.

use std::hash::{BuildHasher as _, RandomState};

use lanspread_client::reason;
use lanspread_client::v1::WatchEventsRequest;
use lanspread_client::v1::watch_events_response::Event;

use crate::following::{first, next, no_other_final, snapshot_end};
use crate::given::{Given, Outcome, end, expect_equal, expect_reason, seeded_game};

pub async fn resume(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let request = seeded_game(client).await?;
    let mut events = client.events("");
    snapshot_end(&mut events).await?;
    let started = client.download_game_files(request).await?;
    let mut numbers = Vec::new();
    loop {
        let message = next(&mut events).await?;
        if message.sequence == 0 {
            continue;
        }
        numbers.push(message.sequence);
        let is_dropped = match message.event {
            Some(Event::DownloadGameFilesFinished(_)) => break,
            // Once in the middle for certain, and wherever else chance has it.
            Some(Event::DownloadGameFilesBegin(_)) => true,
            _ => flips_heads(),
        };
        if is_dropped {
            drop(events);
            events = client.events(&message.resume_token);
        }
    }
    numbers.extend(no_other_final(client, &mut events, &started.id).await?);
    let first = numbers[0];
    let expected: Vec<u64> = (first..).take(numbers.len()).collect();
    expect_equal("numbers", numbers, expected)?;
    end(sidecar).await
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
