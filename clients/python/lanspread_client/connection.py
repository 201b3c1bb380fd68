"""What both clients share: how to dial, how long to wait, and when to try a stream again."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread_client.errors import (
    NO_ANSWER,
    RESUME_TOKEN_EXPIRED,
    STREAM_ENDED,
    TLS_REQUIRED,
    LanspreadError,
)
from lanspread_client.runtime_file import read_runtime_file

DEADLINE_S = 10.0
# Calls that ask other peers, or work through the game folder, before they answer.
SLOW_DEADLINE_S = 30.0
# Removing a game of many small files from a slow disk.
REMOVE_DEADLINE_S = 600.0

_CHANNEL_OPTIONS = (
    # gRPC would send calls to this very machine through a proxy that the environment names.
    ("grpc.enable_http_proxy", 0),
    # A sidecar that comes back is found again within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A line that died without a word, as of a sidecar's PC that lost its power, is noticed: an
    # event stream waits for ever else. The sidecar permits a ping each 10 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Of gRPC's other pings, behind one of which that of the keepalive may have to wait.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # By default two, as whoever only listens sends no data between them.
    ("grpc.http2.max_pings_without_data", 0),
)

# What the certificate of every sidecar says; which one it is, the certificate itself tells.
_TLS_NAME = (("grpc.ssl_target_name_override", "lanspread-peer"),)

FINAL_STATES = frozenset(
    [
        types_pb2.DOWNLOAD_STATE_FINISHED,
        types_pb2.DOWNLOAD_STATE_FAILED,
        types_pb2.DOWNLOAD_STATE_CANCELLED,
    ]
)

FINAL_VERIFICATION_STATES = frozenset(
    [
        types_pb2.VERIFICATION_STATE_FINISHED,
        types_pb2.VERIFICATION_STATE_FAILED,
        types_pb2.VERIFICATION_STATE_CANCELLED,
    ]
)

_FIRST_PAUSE_S = 0.1
_MAX_PAUSE_S = 2.0
_MAX_TRIES = 8


@dataclass(frozen=True, slots=True)
class Target:
    """A sidecar: where it is, what lets us in, and whether it is still that launch.

    With a certificate, in PEM, only a sidecar that has exactly this one is talked to. Without one,
    a channel to another machine raises TLS_REQUIRED.
    """

    address: str
    token: str = field(repr=False)
    is_running: Callable[[], bool]
    tls_certificate: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    def open_channel(self) -> grpc.Channel:
        if not self.tls_certificate:
            self._check_near()
            return grpc.insecure_channel(self.address, options=_CHANNEL_OPTIONS)
        return grpc.secure_channel(
            self.address, self._credentials(), options=_CHANNEL_OPTIONS + _TLS_NAME
        )

    def open_aio_channel(self) -> grpc.aio.Channel:
        if not self.tls_certificate:
            self._check_near()
            return grpc.aio.insecure_channel(self.address, options=_CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(
            self.address, self._credentials(), options=_CHANNEL_OPTIONS + _TLS_NAME
        )

    def _check_near(self) -> None:
        # Elsewhere, the token would go over the network for all to read.
        if not _is_on_this_machine(self.address):
            message = f"{self.address} is not on this machine: expected the sidecar's certificate"
            raise LanspreadError(TLS_REQUIRED, message, {"address": self.address})

    def _credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.tls_certificate.encode())


def _is_on_this_machine(address: str) -> bool:
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def target_of(state_dir: Path | None) -> Target:
    """The sidecar of a state folder; raises LanspreadError when none runs there."""
    found = read_runtime_file(state_dir)

    def is_running() -> bool:
        try:
            return read_runtime_file(state_dir).instance_id == found.instance_id
        except LanspreadError:
            return False

    return Target(found.address, found.token, is_running, found.tls_certificate)


class StreamPlace:
    """Where an event stream stands, and what to do when it breaks.

    After `receive` for every message and `pause_after` for an error, `resume_token` is what the
    next stream must ask for. A snapshot that breaks off is never seen: its items are held back
    until it is whole.
    """

    def __init__(self, target: Target, resume: str) -> None:
        self.resume_token = resume
        self._target = target
        self._tries = 0
        self._held: list[events_pb2.WatchEventsResponse] = []

    def receive(
        self, message: events_pb2.WatchEventsResponse
    ) -> list[events_pb2.WatchEventsResponse]:
        """The messages to hand on now."""
        self.resume_token = message.resume_token or self.resume_token
        self._tries = 0
        self._held.append(message)
        if message.HasField("snapshot_item"):
            return []
        whole, self._held = self._held, []
        return whole

    def pause_after(self, error: LanspreadError) -> float:
        """Seconds to wait before the next try; raises `error` when there is none."""
        self._held.clear()
        if error.reason == RESUME_TOKEN_EXPIRED and self.resume_token:
            self.resume_token = ""
            return 0.0
        self._tries += 1
        if error.reason != NO_ANSWER or self._tries > _MAX_TRIES or not self._target.is_running():
            raise error
        return min(_FIRST_PAUSE_S * 2.0 ** (self._tries - 1), _MAX_PAUSE_S)


def download_request(
    game_id: str, content_id: str, paths: Iterable[str] | None, request_id: str
) -> pb.DownloadGameFilesRequest:
    """A request to download; without paths all files, without a request id a random one."""
    return pb.DownloadGameFilesRequest(
        game_id=game_id,
        content_id=content_id,
        selection=None if paths is None else pb.FileSelection(paths=paths),
        request_id=request_id or uuid.uuid4().hex,
    )


def verify_request(game_id: str, *, reseal: bool, request_id: str) -> pb.VerifyGameRequest:
    """A request to verify; without a request id a random one."""
    return pb.VerifyGameRequest(
        game_id=game_id, reseal=reseal, request_id=request_id or uuid.uuid4().hex
    )


class SettingsChanges(TypedDict, total=False):
    """Settings to change; None goes back to the default, which for a rate limit is unlimited."""

    upload_bytes_per_second: int | None
    download_bytes_per_second: int | None
    upload_slots: int | None
    patience_seconds: float | None
    name: str | None


def settings_request(changes: SettingsChanges) -> pb.UpdateSettingsRequest:
    """A request to change these; raises LanspreadError for what no message can say."""
    try:
        settings = types_pb2.Settings(**changes)
        return pb.UpdateSettingsRequest(
            settings=settings, update_mask=FieldMask(paths=list(changes))
        )
    except (TypeError, ValueError) as error:
        raise LanspreadError("INVALID_FIELD", f"settings: {error}") from error


_Followed = TypeVar("_Followed", types_pb2.Download, types_pb2.Verification)


class Follower(Generic[_Followed]):
    """Picks one download or verification out of an event stream, until it has ended."""

    def __init__(self, kind: type[_Followed], followed_id: str) -> None:
        self._kind: type[_Followed] = kind
        self._name = kind.DESCRIPTOR.name.lower()
        self._id = followed_id
        self._is_known = False

    def pick(self, message: events_pb2.WatchEventsResponse) -> _Followed | None:
        """What is followed as the message shows it; raises LanspreadError when there is none."""
        found = self._found_in(message)
        if found is not None and found.id == self._id:
            self._is_known = True
            return found
        if message.WhichOneof("event") == "snapshot_complete" and not self._is_known:
            raise LanspreadError(
                f"{self._name.upper()}_NOT_FOUND",
                f"no {self._name} has the id {self._id}",
                {f"{self._name}_id": self._id},
            )
        return None

    def _found_in(self, message: events_pb2.WatchEventsResponse) -> _Followed | None:
        kind = message.WhichOneof("event")
        content: Message | None = getattr(message, kind) if kind else None
        if content is None or self._name not in content.DESCRIPTOR.fields_by_name:
            return None
        found = getattr(content, self._name) if content.HasField(self._name) else None
        return found if isinstance(found, self._kind) else None


def stream_ended() -> LanspreadError:
    """What is raised when the sidecar ends before what was waited for."""
    return LanspreadError(STREAM_ENDED, "the sidecar ended; what was waited for did not happen")
