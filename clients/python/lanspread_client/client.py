"""The asyncio face of the library."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import grpc

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_client.connection import (
    DEADLINE_S,
    FINAL_STATES,
    FINAL_VERIFICATION_STATES,
    REMOVE_DEADLINE_S,
    SLOW_DEADLINE_S,
    Follower,
    SettingsChanges,
    StreamPlace,
    Target,
    download_request,
    settings_request,
    stream_ended,
    target_of,
    verify_request,
)
from lanspread_client.errors import NO_ANSWER, error_of, typed_errors

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub


class Client:
    """A connection to one sidecar; an async context manager, else the caller must `close` it.

    Every method raises LanspreadError. Make and use it on one event loop.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        tls_certificate: str = "",
        is_running: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_running` tells whether a sidecar that does not answer is worth waiting for.

        With a certificate in PEM, only a sidecar that has exactly this one is talked to. Raises
        TLS_REQUIRED without one for an address beyond this machine.
        """
        self._target = Target(address, token, is_running, tls_certificate)
        self._auth = self._target.metadata
        self._is_told_to_end = False
        self._channel = self._target.open_aio_channel()
        self._stub: PeerServiceAsyncStub = PeerServiceStub(self._channel)

    @classmethod
    def connect(cls, state_dir: Path | None = None) -> Self:
        """A client of the sidecar that runs with this state folder; None: this user's default."""
        target = target_of(state_dir)
        return cls(
            target.address,
            target.token,
            tls_certificate=target.tls_certificate,
            is_running=target.is_running,
        )

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def set_game_dir(self, game_dir: str) -> None:
        request = pb.SetGameDirRequest(game_dir=game_dir)
        with typed_errors():
            await self._stub.SetGameDir(request, metadata=self._auth, timeout=SLOW_DEADLINE_S)

    async def list_games(self, page_size: int = 0) -> AsyncIterator[types_pb2.Game]:
        """All titles, page by page; `page_size` 0 leaves it to the sidecar."""
        request = pb.ListGamesRequest(page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListGames(request, metadata=self._auth, timeout=DEADLINE_S)
            for game in page.games:
                yield game
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get_game(self, game_id: str) -> pb.GetGameResponse:
        request = pb.GetGameRequest(game_id=game_id)
        with typed_errors():
            return await self._stub.GetGame(request, metadata=self._auth, timeout=SLOW_DEADLINE_S)

    async def list_game_files(
        self, game_id: str, content_id: str = "", page_size: int = 0
    ) -> AsyncIterator[types_pb2.GameFile]:
        """All files of a variant, page by page; empty: the one that a download takes by itself."""
        request = pb.ListGameFilesRequest(
            game_id=game_id, content_id=content_id, page_size=page_size
        )
        while True:
            with typed_errors():
                page = await self._stub.ListGameFiles(
                    request, metadata=self._auth, timeout=SLOW_DEADLINE_S
                )
            for file in page.files:
                yield file
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def download_game_files(
        self,
        game_id: str,
        *,
        content_id: str = "",
        paths: Iterable[str] | None = None,
        request_id: str = "",
    ) -> types_pb2.Download:
        """Start a download and return at once; with the same `request_id`, start it only once."""
        request = download_request(game_id, content_id, paths, request_id)
        with typed_errors():
            answer = await self._stub.DownloadGameFiles(
                request, metadata=self._auth, timeout=SLOW_DEADLINE_S
            )
        return answer.download

    async def pause_download(self, download_id: str) -> types_pb2.Download:
        """Stop a download until `resume_download`, over restarts of the sidecar too."""
        request = pb.PauseDownloadRequest(download_id=download_id)
        with typed_errors():
            answer = await self._stub.PauseDownload(
                request, metadata=self._auth, timeout=SLOW_DEADLINE_S
            )
        return answer.download

    async def resume_download(self, download_id: str) -> types_pb2.Download:
        """Let a paused download go on when its turn comes."""
        request = pb.ResumeDownloadRequest(download_id=download_id)
        with typed_errors():
            answer = await self._stub.ResumeDownload(
                request, metadata=self._auth, timeout=SLOW_DEADLINE_S
            )
        return answer.download

    async def cancel_download(self, download_id: str) -> types_pb2.Download:
        request = pb.CancelDownloadRequest(download_id=download_id)
        with typed_errors():
            answer = await self._stub.CancelDownload(
                request, metadata=self._auth, timeout=SLOW_DEADLINE_S
            )
        return answer.download

    async def get_download(self, download_id: str) -> types_pb2.Download:
        request = pb.GetDownloadRequest(download_id=download_id)
        with typed_errors():
            answer = await self._stub.GetDownload(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.download

    async def list_downloads(self, page_size: int = 0) -> AsyncIterator[types_pb2.Download]:
        """All downloads of this launch and those it goes on with, newest first."""
        request = pb.ListDownloadsRequest(page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListDownloads(
                    request, metadata=self._auth, timeout=DEADLINE_S
                )
            for download in page.downloads:
                yield download
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def verify_game(
        self, game_id: str, *, reseal: bool = False, request_id: str = ""
    ) -> types_pb2.Verification:
        """Begin to read all files of a game again, and return at once.

        With `reseal`, what is found there becomes the game's content.
        """
        request = verify_request(game_id, reseal=reseal, request_id=request_id)
        with typed_errors():
            answer = await self._stub.VerifyGame(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.verification

    async def cancel_verification(self, verification_id: str) -> types_pb2.Verification:
        request = pb.CancelVerificationRequest(verification_id=verification_id)
        with typed_errors():
            answer = await self._stub.CancelVerification(
                request, metadata=self._auth, timeout=SLOW_DEADLINE_S
            )
        return answer.verification

    async def list_verifications(self, page_size: int = 0) -> AsyncIterator[types_pb2.Verification]:
        """All verifications of this launch, newest first."""
        request = pb.ListVerificationsRequest(page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListVerifications(
                    request, metadata=self._auth, timeout=DEADLINE_S
                )
            for verification in page.verifications:
                yield verification
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_findings(
        self, verification_id: str, page_size: int = 0
    ) -> AsyncIterator[types_pb2.Finding]:
        """What a verification found, in order of the paths."""
        request = pb.ListFindingsRequest(verification_id=verification_id, page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListFindings(
                    request, metadata=self._auth, timeout=DEADLINE_S
                )
            for finding in page.findings:
                yield finding
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def remove_game(
        self, game_id: str, *, remove_installed: bool = False
    ) -> pb.RemoveGameResponse:
        """Delete the files of a game from the game folder, and return once that is done."""
        request = pb.RemoveGameRequest(game_id=game_id, remove_installed=remove_installed)
        with typed_errors():
            return await self._stub.RemoveGame(
                request, metadata=self._auth, timeout=REMOVE_DEADLINE_S
            )

    async def list_stagings(self, page_size: int = 0) -> AsyncIterator[types_pb2.Staging]:
        """All that failed downloads have left on disk."""
        request = pb.ListStagingsRequest(page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListStagings(
                    request, metadata=self._auth, timeout=SLOW_DEADLINE_S
                )
            for staging in page.stagings:
                yield staging
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def delete_staging(self, name: str) -> None:
        request = pb.DeleteStagingRequest(name=name)
        with typed_errors():
            await self._stub.DeleteStaging(request, metadata=self._auth, timeout=SLOW_DEADLINE_S)

    async def list_peers(self, page_size: int = 0) -> AsyncIterator[types_pb2.Peer]:
        """All peers that were seen or are blocked."""
        request = pb.ListPeersRequest(page_size=page_size)
        while True:
            with typed_errors():
                page = await self._stub.ListPeers(request, metadata=self._auth, timeout=DEADLINE_S)
            for peer in page.peers:
                yield peer
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def add_peer(self, address: str) -> types_pb2.Peer:
        request = pb.AddPeerRequest(address=address)
        with typed_errors():
            answer = await self._stub.AddPeer(request, metadata=self._auth, timeout=SLOW_DEADLINE_S)
        return answer.peer

    async def remove_peer(self, peer_id: str) -> None:
        """Forget a peer, until it calls or is discovered."""
        request = pb.RemovePeerRequest(peer_id=peer_id)
        with typed_errors():
            await self._stub.RemovePeer(request, metadata=self._auth, timeout=DEADLINE_S)

    async def block_peer(self, peer_id: str) -> types_pb2.Peer:
        request = pb.BlockPeerRequest(peer_id=peer_id)
        with typed_errors():
            answer = await self._stub.BlockPeer(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.peer

    async def unblock_peer(self, peer_id: str) -> types_pb2.Peer:
        request = pb.UnblockPeerRequest(peer_id=peer_id)
        with typed_errors():
            answer = await self._stub.UnblockPeer(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.peer

    async def get_settings(self) -> types_pb2.Settings:
        """What is in effect; a rate limit that is unset is unlimited."""
        request = pb.GetSettingsRequest()
        with typed_errors():
            answer = await self._stub.GetSettings(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.settings

    async def update_settings(self, **changes: Unpack[SettingsChanges]) -> types_pb2.Settings:
        """Change these for good, None back to the default; all that is in effect then."""
        request = settings_request(changes)
        with typed_errors():
            answer = await self._stub.UpdateSettings(
                request, metadata=self._auth, timeout=DEADLINE_S
            )
        return answer.settings

    async def get_status(self) -> types_pb2.Status:
        request = pb.GetStatusRequest()
        with typed_errors():
            answer = await self._stub.GetStatus(request, metadata=self._auth, timeout=DEADLINE_S)
        return answer.status

    async def shutdown(self) -> None:
        """Tell the sidecar to end; it does so after it answered."""
        with typed_errors():
            await self._stub.Shutdown(pb.ShutdownRequest(), metadata=self._auth, timeout=DEADLINE_S)
        self._is_told_to_end = True

    async def events(
        self, resume: str = ""
    ) -> AsyncGenerator[events_pb2.WatchEventsResponse, None]:
        """What happens, from the message on whose `resume_token` is given, else from a snapshot.

        Ends when the sidecar does. A broken stream goes on by itself. When events were missed
        all the same, a new snapshot comes: at every `snapshot_complete`, forget what was known
        before and take the `snapshot_item` messages since the one before it. These come only
        once their snapshot is whole.
        """
        place = StreamPlace(self._target, resume)
        while True:
            request = pb.WatchEventsRequest(resume_token=place.resume_token)
            stream = self._stub.WatchEvents(request, metadata=self._auth)
            try:
                async for message in stream:
                    for each in place.receive(message):
                        yield each
            except grpc.aio.AioRpcError as error:
                failure = error_of(error)
                # Its last words may be lost on the way when it ends at our wish.
                if self._is_told_to_end and failure.reason == NO_ANSWER:
                    return
                await asyncio.sleep(place.pause_after(failure))
            else:
                return
            finally:
                stream.cancel()

    async def follow_download(self, download_id: str) -> AsyncGenerator[types_pb2.Download, None]:
        """The download now and after every change; ends after its final state."""
        follower = Follower(types_pb2.Download, download_id)
        async with aclosing(self.events()) as events:
            async for message in events:
                download = follower.pick(message)
                if download is None:
                    continue
                yield download
                if download.state in FINAL_STATES:
                    return
        raise stream_ended()

    async def follow_verification(
        self, verification_id: str
    ) -> AsyncGenerator[types_pb2.Verification, None]:
        """The verification now and after every change; ends after its final state."""
        follower = Follower(types_pb2.Verification, verification_id)
        async with aclosing(self.events()) as events:
            async for message in events:
                verification = follower.pick(message)
                if verification is None:
                    continue
                yield verification
                if verification.state in FINAL_VERIFICATION_STATES:
                    return
        raise stream_ended()

    async def download(
        self, game_id: str, *, content_id: str = "", paths: Iterable[str] | None = None
    ) -> AsyncGenerator[types_pb2.Download, None]:
        """Start a download and follow it until its end, which the last one's `state` tells."""
        started = await self.download_game_files(game_id, content_id=content_id, paths=paths)
        async with aclosing(self.follow_download(started.id)) as downloads:
            async for download in downloads:
                yield download
