//! How a spawned sidecar begins and ends.

use std::io::Write as _;

use lanspread_client::{Client, TryStreamExt as _, reason};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::following::EventRecord;
use crate::given::{Given, Outcome, end, expect_equal, expect_reason, same_launch};

pub async fn spawn(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let mut health = HealthClient::new(sidecar.client().channel());
    let answer = health.check(HealthCheckRequest::default()).await?;
    let status = answer.into_inner().status;
    expect_equal("health", status, ServingStatus::Serving as i32)?;
    same_launch(&sidecar, &sidecar.client().get_status().await?)?;
    let found = Client::connect(Some(&given.state_dir))?;
    same_launch(&sidecar, &found.get_status().await?)?;
    end(sidecar).await
}

pub async fn shutdown(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let mut events = sidecar.client().events("");
    EventRecord::default().snapshot_end(&mut events).await?;
    sidecar.client().shutdown().await?;
    // An error here would be a stream that did not end cleanly.
    while events.try_next().await?.is_some() {}
    let status = sidecar.wait().await?;
    expect_equal("exit code", status.code(), Some(0))?;
    let late = sidecar.client().get_status().await;
    expect_reason(late, reason::NO_ANSWER)?;
    Ok(())
}

pub async fn parent_killed(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    println!("{{\"pid\": {}}}", sidecar.launch().pid);
    std::io::stdout().flush()?;
    std::future::pending().await
}
