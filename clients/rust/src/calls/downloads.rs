//! Downloads, and what failed ones have left.

use futures_util::stream::BoxStream;

use super::given;
use crate::client::Client;
use crate::connection::{DEADLINE, SLOW_DEADLINE, answer};
use crate::error::Result;
use crate::paging::paged;
use crate::v1::{
    CancelDownloadRequest, DeleteStagingRequest, Download, DownloadGameFilesRequest,
    GetDownloadRequest, ListDownloadsRequest, ListStagingsRequest, PauseDownloadRequest,
    ResumeDownloadRequest, Staging,
};

impl Client {
    /// Starts a download and returns at once; with the same `request_id`, starts it only once.
    pub async fn download_game_files(&self, request: DownloadGameFilesRequest) -> Result<Download> {
        let answer = answer(SLOW_DEADLINE, self.stub().download_game_files(request)).await?;
        given(answer.download)
    }

    /// Stops a download until `resume_download`, over restarts of the sidecar too.
    pub async fn pause_download(&self, download_id: &str) -> Result<Download> {
        let request = PauseDownloadRequest {
            download_id: download_id.to_owned(),
        };
        let answer = answer(SLOW_DEADLINE, self.stub().pause_download(request)).await?;
        given(answer.download)
    }

    /// Lets a paused download go on when its turn comes.
    pub async fn resume_download(&self, download_id: &str) -> Result<Download> {
        let request = ResumeDownloadRequest {
            download_id: download_id.to_owned(),
        };
        let answer = answer(SLOW_DEADLINE, self.stub().resume_download(request)).await?;
        given(answer.download)
    }

    /// Ends a download; what was in the game folder stays as it was.
    pub async fn cancel_download(&self, download_id: &str) -> Result<Download> {
        let request = CancelDownloadRequest {
            download_id: download_id.to_owned(),
        };
        let answer = answer(SLOW_DEADLINE, self.stub().cancel_download(request)).await?;
        given(answer.download)
    }

    /// Where a download stands.
    pub async fn get_download(&self, download_id: &str) -> Result<Download> {
        let request = GetDownloadRequest {
            download_id: download_id.to_owned(),
        };
        let answer = answer(DEADLINE, self.stub().get_download(request)).await?;
        given(answer.download)
    }

    /// All downloads of this launch and those it goes on with, newest first.
    pub fn list_downloads(&self, page_size: i32) -> BoxStream<'static, Result<Download>> {
        let client = self.clone();
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListDownloadsRequest {
                page_size,
                page_token,
            };
            async move {
                let page = answer(DEADLINE, stub.list_downloads(request)).await?;
                Ok((page.downloads, page.next_page_token))
            }
        })
    }

    /// All that failed downloads have left on disk.
    pub fn list_stagings(&self, page_size: i32) -> BoxStream<'static, Result<Staging>> {
        let client = self.clone();
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListStagingsRequest {
                page_size,
                page_token,
            };
            async move {
                let page = answer(SLOW_DEADLINE, stub.list_stagings(request)).await?;
                Ok((page.stagings, page.next_page_token))
            }
        })
    }

    /// Deletes what a failed download has left; `name` as `list_stagings` gives it.
    pub async fn delete_staging(&self, name: &str) -> Result<()> {
        let request = DeleteStagingRequest {
            name: name.to_owned(),
        };
        answer(SLOW_DEADLINE, self.stub().delete_staging(request)).await?;
        Ok(())
    }
}
