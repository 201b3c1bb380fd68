//! Other sidecars.

use futures_util::stream::BoxStream;

use super::given;
use crate::client::Client;
use crate::connection::{DEADLINE, SLOW_DEADLINE, answer};
use crate::error::Result;
use crate::paging::paged;
use crate::v1::{
    AddPeerRequest, BlockPeerRequest, ListPeersRequest, Peer, RemovePeerRequest, UnblockPeerRequest,
};

impl Client {
    /// All peers that were seen or are blocked.
    pub fn list_peers(&self, page_size: i32) -> BoxStream<'static, Result<Peer>> {
        let client = self.clone();
        paged(move |page_token| {
            let mut stub = client.stub();
            let request = ListPeersRequest {
                page_size,
                page_token,
            };
            async move {
                let page = answer(DEADLINE, stub.list_peers(request)).await?;
                Ok((page.peers, page.next_page_token))
            }
        })
    }

    /// Connects to a peer, `host:port`, and answers once it is connected.
    pub async fn add_peer(&self, address: &str) -> Result<Peer> {
        let request = AddPeerRequest {
            address: address.to_owned(),
        };
        let answer = answer(SLOW_DEADLINE, self.stub().add_peer(request)).await?;
        given(answer.peer)
    }

    /// Has nothing to do with a peer any more.
    pub async fn block_peer(&self, peer_id: &str) -> Result<Peer> {
        let request = BlockPeerRequest {
            peer_id: peer_id.to_owned(),
        };
        let answer = answer(DEADLINE, self.stub().block_peer(request)).await?;
        given(answer.peer)
    }

    /// Undoes `block_peer`.
    pub async fn unblock_peer(&self, peer_id: &str) -> Result<Peer> {
        let request = UnblockPeerRequest {
            peer_id: peer_id.to_owned(),
        };
        let answer = answer(DEADLINE, self.stub().unblock_peer(request)).await?;
        given(answer.peer)
    }

    /// Forgets a peer; it comes back when it calls or is discovered.
    pub async fn remove_peer(&self, peer_id: &str) -> Result<()> {
        let request = RemovePeerRequest {
            peer_id: peer_id.to_owned(),
        };
        answer(DEADLINE, self.stub().remove_peer(request)).await?;
        Ok(())
    }
}
