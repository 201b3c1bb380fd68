//! The library, and what is downloaded into it: titles, files, the game folder.

use futures_util::stream::BoxStream;

use crate::client::Client;
use crate::connection::{DEADLINE, SLOW_DEADLINE, answer};
use crate::error::Result;
use crate::paging::paged;
use crate::v1::{
    Game, GameFile, GetGameRequest, GetGameResponse, ListGameFilesRequest, ListGamesRequest,
    SetGameDirRequest,
};

impl Client {
    /// Switches the game folder.
    pub async fn set_game_dir(&self, game_dir: &str) -> Result<()> {
        let request = SetGameDirRequest {
            game_dir: game_dir.to_owned(),
        };
        answer(SLOW_DEADLINE, self.stub().set_game_dir(request)).await?;
        Ok(())
    }

    /// All titles, page by page; `page_size` 0 leaves it to the sidecar.
    pub fn list_games(&self, page_size: i32) -> BoxStream<'static, Result<Game>> {
        let client = self.clone();
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListGamesRequest {
                page_size,
                page_token,
            };
            async move {
                let page = answer(DEADLINE, stub.list_games(request)).await?;
                Ok((page.games, page.next_page_token))
            }
        })
    }

    /// Asks every peer that has the game what it holds of it.
    pub async fn get_game(&self, game_id: &str) -> Result<GetGameResponse> {
        let request = GetGameRequest {
            game_id: game_id.to_owned(),
        };
        answer(SLOW_DEADLINE, self.stub().get_game(request)).await
    }

    /// All files of a variant, page by page; empty: the one that a download takes by itself.
    pub fn list_game_files(
        &self,
        game_id: &str,
        content_id: &str,
        page_size: i32,
    ) -> BoxStream<'static, Result<GameFile>> {
        let client = self.clone();
        let first = ListGameFilesRequest {
            game_id: game_id.to_owned(),
            content_id: content_id.to_owned(),
            page_size,
            page_token: String::new(),
        };
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListGameFilesRequest {
                page_token,
                ..first.clone()
            };
            async move {
                let page = answer(SLOW_DEADLINE, stub.list_game_files(request)).await?;
                Ok((page.files, page.next_page_token))
            }
        })
    }
}
