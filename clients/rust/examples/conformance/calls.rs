//! Unary calls: refused ones, wrong ones, and lists.

use std::collections::BTreeSet;

use lanspread_client::v1::peer_service_client::PeerServiceClient;
use lanspread_client::v1::{
    DownloadGameFilesRequest, GetStatusRequest, ListGamesRequest, WatchEventsRequest,
};
use lanspread_client::{Client, Error, TryStreamExt as _, serde_json};

use crate::following::{first, games_in, next};
use crate::given::{Failure, Given, Outcome, end, expect_equal, expect_reason, variable};

const PAGE_SIZE: i32 = 10;

pub async fn refused_token(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let stranger = Client::new(&sidecar.launch().address, "a-wrong-token")?;
    expect_reason(stranger.get_status().await, "UNAUTHENTICATED")?;
    expect_reason(stranger.events("").try_next().await, "UNAUTHENTICATED")?;
    let mut without = PeerServiceClient::new(sidecar.client().channel());
    let unary = without.get_status(GetStatusRequest {}).await;
    expect_reason(unary.map_err(Error::from), "UNAUTHENTICATED")?;
    let stream = first(without.watch_events(WatchEventsRequest::default())).await;
    expect_reason(stream, "UNAUTHENTICATED")?;
    end(sidecar).await
}

pub async fn wrong_field(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let request = DownloadGameFilesRequest {
        game_id: "aoe2".to_owned(),
        content_id: "no content id".to_owned(),
        ..Default::default()
    };
    let result = sidecar.client().download_game_files(request).await;
    let error = expect_reason(result, "INVALID_FIELD")?;
    let field = error.metadata.get("field").map(String::as_str);
    expect_equal("field", field, Some("content_id"))?;
    end(sidecar).await
}

pub async fn list_pages(given: &Given) -> Outcome {
    let sidecar = given.spawn().await?;
    let client = sidecar.client();
    let expected: BTreeSet<String> = serde_json::from_str(&variable("GAMES")?)?;
    until_all_known(client, expected.len()).await?;
    let pages = pages(client).await?;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    expect_equal("pages", sizes, vec![10, 10, 5])?;
    let all = client.list_games(PAGE_SIZE);
    let ids: Vec<String> = all.map_ok(|game| game.id).try_collect().await?;
    expect_equal("listed by the library", &ids, &pages.concat())?;
    expect_equal("ids listed", ids.len(), expected.len())?;
    expect_equal("ids", ids.into_iter().collect(), expected)?;
    end(sidecar).await
}

/// The folder is looked at while the sidecar serves already.
async fn until_all_known(client: &Client, count: usize) -> Outcome {
    let mut events = client.events("");
    let mut known = BTreeSet::new();
    while known.len() < count {
        known.extend(
            games_in(next(&mut events).await?)
                .into_iter()
                .map(|game| game.id),
        );
    }
    Ok(())
}

/// The ids on each page, asked for one by one.
async fn pages(client: &Client) -> Result<Vec<Vec<String>>, Failure> {
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListGamesRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.stub().list_games(request).await?.into_inner();
        pages.push(page.games.into_iter().map(|game| game.id).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(pages);
        }
    }
}
