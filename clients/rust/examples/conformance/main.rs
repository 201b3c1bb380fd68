//! Runs one scenario of clients/conformance against a real sidecar: `conformance SCENARIO`.
//!
//! Exit code 0 is a pass; else stderr says why.

mod calls;
mod cut_proxy;
mod downloads;
mod following;
mod given;
mod life;
mod streams;
mod tls;

use std::process::ExitCode;

use given::{Given, Outcome};

#[tokio::main]
async fn main() -> ExitCode {
    let scenario = std::env::args().nth(1).unwrap_or_default();
    match run(&scenario).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{scenario}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(scenario: &str) -> Outcome {
    let given = Given::from_environment()?;
    match scenario {
        "spawn" => life::spawn(&given).await,
        "refused_token" => calls::refused_token(&given).await,
        "wrong_field" => calls::wrong_field(&given).await,
        "list_pages" => calls::list_pages(&given).await,
        "download" => downloads::download(&given).await,
        "resume" => streams::resume(&given).await,
        "expired_token" => streams::expired_token(&given).await,
        "cancel" => downloads::cancel(&given).await,
        "shutdown" => life::shutdown(&given).await,
        "parent_killed" => life::parent_killed(&given).await,
        "tls" => tls::tls(&given).await,
        _ => Err(format!("no such scenario: {scenario:?}").into()),
    }
}
