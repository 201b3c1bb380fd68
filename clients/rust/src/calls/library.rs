//! What is done with the games on this disk: verified and removed.

use futures_util::stream::BoxStream;

use super::given;
use crate::client::Client;
use crate::connection::{DEADLINE, REMOVE_DEADLINE, SLOW_DEADLINE, answer};
use crate::error::Result;
use crate::paging::paged;
use crate::v1::{
    CancelVerificationRequest, Finding, ListFindingsRequest, ListVerificationsRequest,
    RemoveGameRequest, RemoveGameResponse, Verification, VerifyGameRequest,
};

impl Client {
    /// Begins to read a game's files again and returns at once; with the same `request_id`,
    /// begins only once.
    pub async fn verify_game(&self, request: VerifyGameRequest) -> Result<Verification> {
        let answer = answer(DEADLINE, self.stub().verify_game(request)).await?;
        given(answer.verification)
    }

    /// Ends a verification.
    pub async fn cancel_verification(&self, verification_id: &str) -> Result<Verification> {
        let request = CancelVerificationRequest {
            verification_id: verification_id.to_owned(),
        };
        let answer = answer(SLOW_DEADLINE, self.stub().cancel_verification(request)).await?;
        given(answer.verification)
    }

    /// All verifications of this launch, newest first.
    pub fn list_verifications(&self, page_size: i32) -> BoxStream<'static, Result<Verification>> {
        let client = self.clone();
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListVerificationsRequest {
                page_size,
                page_token,
            };
            async move {
                let page = answer(DEADLINE, stub.list_verifications(request)).await?;
                Ok((page.verifications, page.next_page_token))
            }
        })
    }

    /// What a verification found, at most the first 1000 of each kind.
    pub fn list_findings(
        &self,
        verification_id: &str,
        page_size: i32,
    ) -> BoxStream<'static, Result<Finding>> {
        let client = self.clone();
        let first = ListFindingsRequest {
            verification_id: verification_id.to_owned(),
            page_size,
            page_token: String::new(),
        };
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListFindingsRequest {
                page_token,
                ..first.clone()
            };
            async move {
                let page = answer(DEADLINE, stub.list_findings(request)).await?;
                Ok((page.findings, page.next_page_token))
            }
        })
    }

    /// Deletes the files of a game, and on request its installed content too; may take minutes.
    pub async fn remove_game(
        &self,
        game_id: &str,
        remove_installed: bool,
    ) -> Result<RemoveGameResponse> {
        let request = RemoveGameRequest {
            game_id: game_id.to_owned(),
            remove_installed,
        };
        answer(REMOVE_DEADLINE, self.stub().remove_game(request)).await
    }
}
