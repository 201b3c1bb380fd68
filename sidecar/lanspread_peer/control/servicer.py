"""The calls of PeerService: parse the request, ask the sidecar, convert the answer.

Whatever a client can get wrong in a message is found here or by a parser of the model; what
only the sidecar can know, it raises itself. Nothing here keeps state.
"""
# ruff: noqa: N802 - methods have the names of the protocol's calls

from collections.abc import Iterator

from lanspread.peer.v1 import events_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceServicer
from lanspread_peer.control.commands import Sidecar
from lanspread_peer.control.convert import (
    to_description,
    to_download,
    to_file,
    to_game,
    to_peer,
    to_staging,
    to_status,
    to_timestamp,
    to_totals,
)
from lanspread_peer.control.convert_events import to_response, to_snapshot_item
from lanspread_peer.control.convert_settings import changed_names, chosen_settings, to_settings
from lanspread_peer.control.convert_verifications import to_finding, to_verification
from lanspread_peer.control.paging import page_of
from lanspread_peer.control.parse_requests import (
    FILES_LIST,
    bounded_id,
    content_id_of_page,
    optional_content_id,
    parse_download_id,
    parse_verification_id,
    selected_paths,
)
from lanspread_peer.control.status import Context, answering
from lanspread_peer.model.download import DownloadRequest, DownloadStatus
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.game import Title
from lanspread_peer.model.ids import (
    parse_game_id,
    parse_peer_id,
)
from lanspread_peer.model.peer import PeerStatus
from lanspread_peer.model.verification import VerificationRequest, VerificationStatus
from lanspread_peer.runtime.clock import unix_s


class Servicer(PeerServiceServicer):
    """Answers calls that the token check let through."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    @answering
    async def SetGameDir(
        self, request: pb.SetGameDirRequest, _context: Context
    ) -> pb.SetGameDirResponse:
        if not request.game_dir:
            raise InvalidField("game_dir", "an absolute path")
        await self._sidecar.set_game_dir(request.game_dir)
        return pb.SetGameDirResponse()

    @answering
    async def ListGames(
        self, request: pb.ListGamesRequest, _context: Context
    ) -> pb.ListGamesResponse:
        page = page_of(
            self._sidecar.titles(),
            to_game,
            key=lambda title: title.key,
            of="games",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListGamesResponse(games=page.messages, next_page_token=page.next_page_token)

    @answering
    async def GetGame(self, request: pb.GetGameRequest, _context: Context) -> pb.GetGameResponse:
        answer = await self._sidecar.get_game(parse_game_id(request.game_id))
        return pb.GetGameResponse(
            game=to_game(answer.title),
            totals=to_totals(answer.totals),
            description=to_description(answer.description),
        )

    @answering
    async def ListGameFiles(
        self, request: pb.ListGameFilesRequest, _context: Context
    ) -> pb.ListGameFilesResponse:
        content_id, manifest = await self._sidecar.game_manifest(
            parse_game_id(request.game_id), content_id_of_page(request)
        )
        page = page_of(
            manifest.files,
            to_file,
            key=lambda entry: entry.path,
            of=FILES_LIST + content_id,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListGameFilesResponse(
            files=page.messages, next_page_token=page.next_page_token, content_id=content_id
        )

    @answering
    async def DownloadGameFiles(
        self, request: pb.DownloadGameFilesRequest, _context: Context
    ) -> pb.DownloadGameFilesResponse:
        status = await self._sidecar.start_download(
            DownloadRequest(
                parse_game_id(request.game_id),
                optional_content_id(request.content_id),
                selected_paths(request),
                bounded_id(request.request_id, "request_id"),
            )
        )
        return pb.DownloadGameFilesResponse(download=to_download(status))

    @answering
    async def PauseDownload(
        self, request: pb.PauseDownloadRequest, _context: Context
    ) -> pb.PauseDownloadResponse:
        status = await self._sidecar.pause_download(parse_download_id(request.download_id))
        return pb.PauseDownloadResponse(download=to_download(status))

    @answering
    async def ResumeDownload(
        self, request: pb.ResumeDownloadRequest, _context: Context
    ) -> pb.ResumeDownloadResponse:
        status = await self._sidecar.resume_download(parse_download_id(request.download_id))
        return pb.ResumeDownloadResponse(download=to_download(status))

    @answering
    async def CancelDownload(
        self, request: pb.CancelDownloadRequest, _context: Context
    ) -> pb.CancelDownloadResponse:
        status = await self._sidecar.cancel_download(parse_download_id(request.download_id))
        return pb.CancelDownloadResponse(download=to_download(status))

    @answering
    async def GetDownload(
        self, request: pb.GetDownloadRequest, _context: Context
    ) -> pb.GetDownloadResponse:
        status = self._sidecar.download(parse_download_id(request.download_id))
        return pb.GetDownloadResponse(download=to_download(status))

    @answering
    async def ListDownloads(
        self, request: pb.ListDownloadsRequest, _context: Context
    ) -> pb.ListDownloadsResponse:
        page = page_of(
            self._sidecar.downloads(),
            to_download,
            key=lambda status: status.id,
            of="downloads",
            page_size=request.page_size,
            page_token=request.page_token,
            is_sorted=False,
        )
        return pb.ListDownloadsResponse(
            downloads=page.messages, next_page_token=page.next_page_token
        )

    @answering
    async def ListStagings(
        self, request: pb.ListStagingsRequest, _context: Context
    ) -> pb.ListStagingsResponse:
        page = page_of(
            await self._sidecar.stagings(),
            to_staging,
            key=lambda staging: staging.name,
            of="stagings",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListStagingsResponse(stagings=page.messages, next_page_token=page.next_page_token)

    @answering
    async def DeleteStaging(
        self, request: pb.DeleteStagingRequest, _context: Context
    ) -> pb.DeleteStagingResponse:
        if not request.name:
            raise InvalidField("name", "the name of a staging")
        await self._sidecar.delete_staging(request.name)
        return pb.DeleteStagingResponse()

    @answering
    async def VerifyGame(
        self, request: pb.VerifyGameRequest, _context: Context
    ) -> pb.VerifyGameResponse:
        status = self._sidecar.verifications.start(
            VerificationRequest(
                parse_game_id(request.game_id),
                request.reseal,
                bounded_id(request.request_id, "request_id"),
            )
        )
        return pb.VerifyGameResponse(verification=to_verification(status))

    @answering
    async def CancelVerification(
        self, request: pb.CancelVerificationRequest, _context: Context
    ) -> pb.CancelVerificationResponse:
        verification_id = parse_verification_id(request.verification_id)
        status = await self._sidecar.verifications.cancel(verification_id)
        return pb.CancelVerificationResponse(verification=to_verification(status))

    @answering
    async def ListVerifications(
        self, request: pb.ListVerificationsRequest, _context: Context
    ) -> pb.ListVerificationsResponse:
        page = page_of(
            self._sidecar.verifications.statuses(),
            to_verification,
            key=lambda status: status.id,
            of="verifications",
            page_size=request.page_size,
            page_token=request.page_token,
            is_sorted=False,
        )
        return pb.ListVerificationsResponse(
            verifications=page.messages, next_page_token=page.next_page_token
        )

    @answering
    async def ListFindings(
        self, request: pb.ListFindingsRequest, _context: Context
    ) -> pb.ListFindingsResponse:
        verification_id = parse_verification_id(request.verification_id)
        page = page_of(
            self._sidecar.verifications.findings(verification_id),
            to_finding,
            key=lambda finding: finding.path,
            of=f"findings:{verification_id}",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListFindingsResponse(findings=page.messages, next_page_token=page.next_page_token)

    @answering
    async def RemoveGame(
        self, request: pb.RemoveGameRequest, _context: Context
    ) -> pb.RemoveGameResponse:
        removed = await self._sidecar.remove_game(
            parse_game_id(request.game_id), remove_installed=request.remove_installed
        )
        return pb.RemoveGameResponse(
            removed_bytes=removed.bytes, left_file_count=removed.left_files
        )

    @answering
    async def ListPeers(
        self, request: pb.ListPeersRequest, _context: Context
    ) -> pb.ListPeersResponse:
        page = page_of(
            self._sidecar.peers(),
            to_peer,
            key=lambda peer: peer.id,
            of="peers",
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListPeersResponse(peers=page.messages, next_page_token=page.next_page_token)

    @answering
    async def AddPeer(self, request: pb.AddPeerRequest, _context: Context) -> pb.AddPeerResponse:
        if not request.address:
            raise InvalidField("address", "HOST:PORT")
        return pb.AddPeerResponse(peer=to_peer(await self._sidecar.add_peer(request.address)))

    @answering
    async def RemovePeer(
        self, request: pb.RemovePeerRequest, _context: Context
    ) -> pb.RemovePeerResponse:
        await self._sidecar.remove_peer(parse_peer_id(request.peer_id))
        return pb.RemovePeerResponse()

    @answering
    async def BlockPeer(
        self, request: pb.BlockPeerRequest, _context: Context
    ) -> pb.BlockPeerResponse:
        status = await self._sidecar.block_peer(parse_peer_id(request.peer_id))
        return pb.BlockPeerResponse(peer=to_peer(status))

    @answering
    async def UnblockPeer(
        self, request: pb.UnblockPeerRequest, _context: Context
    ) -> pb.UnblockPeerResponse:
        status = await self._sidecar.unblock_peer(parse_peer_id(request.peer_id))
        return pb.UnblockPeerResponse(peer=to_peer(status))

    @answering
    async def GetSettings(
        self, _request: pb.GetSettingsRequest, _context: Context
    ) -> pb.GetSettingsResponse:
        return pb.GetSettingsResponse(settings=to_settings(self._sidecar.settings()))

    @answering
    async def UpdateSettings(
        self, request: pb.UpdateSettingsRequest, _context: Context
    ) -> pb.UpdateSettingsResponse:
        settings = await self._sidecar.update_settings(
            chosen_settings(request.settings), changed_names(request)
        )
        return pb.UpdateSettingsResponse(settings=to_settings(settings))

    @answering
    async def GetStatus(
        self, _request: pb.GetStatusRequest, _context: Context
    ) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=to_status(self._sidecar.status()))

    @answering
    async def Shutdown(
        self, _request: pb.ShutdownRequest, _context: Context
    ) -> pb.ShutdownResponse:
        self._sidecar.request_shutdown()
        return pb.ShutdownResponse()

    @answering
    async def WatchEvents(  # type: ignore[override]  # typed as a generator
        self, request: pb.WatchEventsRequest, context: Context
    ) -> None:
        # Each write waits until the client has taken what came before: its flow control, and no
        # queue of ours, is what a slow reader fills.
        events = self._sidecar.events.subscribe(request.resume_token)
        if not request.resume_token:
            for item in self._snapshot():
                await context.write(item)
            await context.write(self._snapshot_end(events.resume_token))
        while delivery := await events.next():
            await context.write(to_response(delivery))

    def _snapshot(self) -> Iterator[events_pb2.WatchEventsResponse]:
        # Read at once, so that it is the state of one moment, and converted one by one.
        now = unix_s()
        return (to_snapshot_item(value, now) for value in _state_of(self._sidecar))

    def _snapshot_end(self, resume_token: str) -> events_pb2.WatchEventsResponse:
        return events_pb2.WatchEventsResponse(
            time=to_timestamp(unix_s()),
            resume_token=resume_token,
            snapshot_complete=events_pb2.SnapshotComplete(instance_id=self._sidecar.instance_id),
        )


def _state_of(
    sidecar: Sidecar,
) -> list[Title | PeerStatus | DownloadStatus | VerificationStatus]:
    return [
        *sidecar.titles(),
        *sidecar.peers(),
        *reversed(sidecar.downloads()),
        *reversed(sidecar.verifications.statuses()),
    ]
