//! The event stream: broken off, and resumed.

use std::hash::{BuildHasher as _, RandomState};

use lanspread_client::v1::watch_events_response::Event;
use lanspread_client::v1::{Settings, WatchEventsRequest};
use lanspread_client::{Client, Sidecar, reason};

use crate::cut_proxy::CutProxy;
use crate::following::{EventRecord, first, next};
use crate::given::{Failure, Given, Outcome, end, expect_equal, expect_reason, seeded_game};

const SLOW_BYTES_PER_SECOND: i64 = 1024 * 1024;
const CHANGES: u64 = 4;
const BREAKS: u32 = 5;
/// Less than an item of a snapshot has, so that each is once the last to come over.
const CUT_STEP: u64 = 64;

/// Once by the resume token, once by the library alone.
pub async fn resume(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    drop_and_go_on(sidecar.client()).await?;
    break_and_go_on(&sidecar).await?;
    break_snapshots(&sidecar).await?;
    end(sidecar).await
}

async fn drop_and_go_on(client: &Client) -> Outcome {
    let request = seeded_game(client).await?;
    limit_rate(client, Some(SLOW_BYTES_PER_SECOND)).await?;
    let mut record = EventRecord::default();
    let mut events = client.events("");
    record.snapshot_end(&mut events).await?;
    let download_id = client.download_game_files(request).await?.id;
    let seen_before_drop = 1 + RandomState::new().hash_one(0) % CHANGES;
    eprintln!("drops the stream after event {seen_before_drop} of it");
    record.of_download(&mut events, &download_id).await?;
    for number in 1..seen_before_drop {
        change(client, &download_id, number).await?;
        record.of_download(&mut events, &download_id).await?;
    }
    drop(events);
    for number in seen_before_drop..=CHANGES {
        change(client, &download_id, number).await?;
    }
    limit_rate(client, None).await?;
    let mut events = client.events(&record.resume_token);
    record.up_to_the_end(client, &mut events).await?;
    let is_finished = |event: &Event| matches!(event, Event::DownloadGameFilesFinished(_));
    record.expect_one_final("expected one to be finished", is_finished)
}

/// The first and third pause the download, the others let it go on.
async fn change(client: &Client, download_id: &str, number: u64) -> Outcome {
    if number % 2 == 1 {
        client.pause_download(download_id).await?;
    } else {
        client.resume_download(download_id).await?;
    }
    Ok(())
}

async fn limit_rate(client: &Client, rate: Option<i64>) -> Outcome {
    let settings = Settings {
        download_bytes_per_second: rate,
        ..Default::default()
    };
    let names = ["download_bytes_per_second"];
    client.update_settings(settings, &names).await?;
    Ok(())
}

/// Nothing is missed over connections that break.
async fn break_and_go_on(sidecar: &Sidecar) -> Outcome {
    let launch = sidecar.launch();
    let proxy = CutProxy::start(&launch.address).await?;
    let mut events = Client::new(&proxy.address, &launch.token)?.events("");
    let mut record = EventRecord::default();
    record.snapshot_end(&mut events).await?;
    for number in 0..BREAKS {
        proxy.cut();
        let name = format!("break {number}");
        record
            .up_to_new_name(sidecar.client(), &mut events, &name)
            .await?;
    }
    expect_equal("snapshots", record.snapshots, 1)
}

/// A snapshot comes whole or not at all, wherever the connection breaks.
async fn break_snapshots(sidecar: &Sidecar) -> Outcome {
    let launch = sidecar.launch();
    let expected = snapshot_size(sidecar.client()).await?;
    let mut answer_bytes = CUT_STEP;
    loop {
        let proxy = CutProxy::start_with_cut(&launch.address, answer_bytes).await?;
        let client = Client::new(&proxy.address, &launch.token)?;
        let what = format!("items after a cut at byte {answer_bytes}");
        expect_equal(&what, snapshot_size(&client).await?, expected)?;
        if proxy.taken() == 1 {
            // It was complete before the cut.
            return Ok(());
        }
        answer_bytes += CUT_STEP;
    }
}

/// How many items came up to its end.
async fn snapshot_size(client: &Client) -> Result<u32, Failure> {
    let mut events = client.events("");
    let mut items = 0;
    loop {
        match next(&mut events).await?.event {
            Some(Event::SnapshotItem(_)) => items += 1,
            Some(Event::SnapshotComplete(_)) => return Ok(items),
            _ => {}
        }
    }
}

pub async fn expired_token(given: &Given) -> Outcome {
    let old = given.spawn().await?;
    let mut record = EventRecord::default();
    record.snapshot_end(&mut old.client().events("")).await?;
    end(old).await?;
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let request = WatchEventsRequest {
        resume_token: record.resume_token.clone(),
    };
    let raw = first(client.stub().watch_events(request)).await;
    expect_reason(raw, reason::RESUME_TOKEN_EXPIRED)?;
    let mut events = client.events(&record.resume_token);
    let mut record = EventRecord::default();
    record.snapshot_end(&mut events).await?;
    let launch = sidecar.launch();
    expect_equal("instance_id", &record.instance_id, &launch.instance_id)?;
    end(sidecar).await
}
