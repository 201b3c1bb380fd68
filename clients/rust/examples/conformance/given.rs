//! What the harness gives, and what all scenarios need.

use std::env;
use std::fmt::Debug;
use std::path::PathBuf;

use lanspread_client::serde_json::{self, Map, Value};
use lanspread_client::v1::{DownloadGameFilesRequest, Game, Status};
use lanspread_client::{Client, Error, Options, Sidecar};

use crate::following::{games_in, next};

pub type Failure = Box<dyn std::error::Error>;
pub type Outcome = Result<(), Failure>;

/// The environment of the program.
pub struct Given {
    pub command: Vec<String>,
    pub game_dir: PathBuf,
    pub state_dir: PathBuf,
    pub settings: Map<String, Value>,
}

impl Given {
    pub fn from_environment() -> Result<Self, Failure> {
        Ok(Self {
            command: serde_json::from_str(&variable("SIDECAR")?)?,
            game_dir: variable("GAME_DIR")?.into(),
            state_dir: variable("STATE_DIR")?.into(),
            settings: serde_json::from_str(&variable("SETTINGS")?)?,
        })
    }

    /// A sidecar whose log goes to our stderr.
    pub async fn spawn(&self) -> Result<Sidecar, Error> {
        let mut options = Options::new(&self.command, &self.game_dir, &self.state_dir);
        options.settings = self.settings.clone();
        options.on_log = Some(Box::new(|line| eprintln!("{line}")));
        Sidecar::spawn(options).await
    }
}

/// `CONFORMANCE_` and this name.
pub fn variable(name: &str) -> Result<String, Failure> {
    let name = format!("CONFORMANCE_{name}");
    env::var(&name).map_err(|error| format!("{name}: {error}").into())
}

/// The whole game of the harness's own sidecar, as a request that may be repeated.
pub async fn seeded_game(client: &Client) -> Result<DownloadGameFilesRequest, Failure> {
    let game_id = variable("GAME")?;
    client.add_peer(&variable("SEEDER")?).await?;
    until_offered(client, &game_id).await?;
    Ok(DownloadGameFilesRequest {
        game_id,
        request_id: format!("conformance-{}", std::process::id()),
        ..Default::default()
    })
}

/// A peer that is connected tells its games a moment later.
async fn until_offered(client: &Client, game_id: &str) -> Outcome {
    let mut events = client.events("");
    let is_offered = |game: &Game| game.id == game_id && game.peer_count > 0;
    while !games_in(next(&mut events).await?).iter().any(is_offered) {}
    Ok(())
}

/// Ends the sidecar, which must do so in order.
pub async fn end(sidecar: Sidecar) -> Outcome {
    let status = sidecar.shutdown().await?;
    expect_equal("exit code", status.code(), Some(0))
}

/// Fails with `otherwise`, a sentence.
pub fn expect(is_so: bool, otherwise: &str) -> Outcome {
    if is_so { Ok(()) } else { Err(otherwise.into()) }
}

pub fn expect_equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}").into())
}

/// The error must have this reason.
pub fn expect_reason<T: Debug>(result: Result<T, Error>, reason: &str) -> Result<Error, Failure> {
    match result {
        Err(error) if error.reason == reason => Ok(error),
        other => Err(format!("expected {reason}, got {other:?}").into()),
    }
}

pub fn same_launch(sidecar: &Sidecar, status: &Status) -> Outcome {
    let launch = sidecar.launch();
    expect_equal("instance_id", &status.instance_id, &launch.instance_id)?;
    expect_equal("version", &status.version, &launch.version)
}
