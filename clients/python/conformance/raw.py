"""Calls below the library, which has no way to leave out a token or to see a token expire."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_client import LanspreadError
from lanspread_client.connection import Target
from lanspread_client.errors import typed_errors

if TYPE_CHECKING:
    # Its stub file alone knows it.
    from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceAsyncStub

_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class RawCalls:
    """Single calls with this token, or none; each raises LanspreadError."""

    channel: grpc.aio.Channel
    token: str | None

    async def health(self) -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        with typed_errors():
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_DEADLINE_S)
        status: int = answer.status
        return status

    async def ask_status(self) -> None:
        with typed_errors():
            await self._stub.GetStatus(
                pb.GetStatusRequest(), metadata=self._metadata, timeout=_DEADLINE_S
            )

    async def open_stream(self, resume_token: str = "") -> None:
        """Read the first message of an event stream."""
        request = pb.WatchEventsRequest(resume_token=resume_token)
        stream = self._stub.WatchEvents(request, metadata=self._metadata, timeout=_DEADLINE_S)
        with typed_errors():
            await stream.read()
        stream.cancel()

    async def game_page(self, request: pb.ListGamesRequest) -> pb.ListGamesResponse:
        with typed_errors():
            return await self._stub.ListGames(request, metadata=self._metadata, timeout=_DEADLINE_S)

    @property
    def _stub(self) -> "PeerServiceAsyncStub":
        stub: PeerServiceAsyncStub = PeerServiceStub(self.channel)
        return stub

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token is not None else ()


@asynccontextmanager
async def raw_calls(address: str, token: str | None = None) -> AsyncIterator[RawCalls]:
    target = Target(address, token or "", is_running=lambda: True)
    async with target.open_aio_channel() as channel:
        yield RawCalls(channel, token)


async def error_of(call: Awaitable[object]) -> LanspreadError:
    """The error that the call must fail with."""
    try:
        await call
    except LanspreadError as error:
        return error
    raise AssertionError("the call did not fail")
