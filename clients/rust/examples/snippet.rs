use lanspread_client::{Error, Options, Sidecar, TryStreamExt};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::new(["lanspread-peer"], "games", "state"); // folders
    let sidecar = Sidecar::spawn(options).await?; // ends with us, however we end
    let mut games = sidecar.client().list_games(0);
    while let Some(game) = games.try_next().await? {
        println!("{} held by {} peers", game.id, game.peer_count);
    }
    sidecar.shutdown().await?;
    Ok(())
}
