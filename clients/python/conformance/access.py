"""Scenarios of the start, the end, and who gets in."""

import asyncio
import json
import os
from contextlib import aclosing

from grpc_health.v1.health_pb2 import HealthCheckResponse

from conformance.environment import spawned, state_dir
from conformance.events import PATIENCE_S, find, games_in, snapshot_end
from conformance.raw import error_of, raw_calls
from lanspread.peer.v1.events_pb2 import WatchEventsResponse
from lanspread.peer.v1.peer_service_pb2 import ListGamesRequest
from lanspread_client import Client

# Nobody's: RFC 5737.
_ELSEWHERE = "192.0.2.1:9"


async def spawn_and_end() -> None:
    async with spawned() as sidecar:
        async with raw_calls(sidecar.ready.address) as calls:
            assert await calls.health() == HealthCheckResponse.SERVING
        status = await sidecar.client.get_status()
        assert status.instance_id == sidecar.ready.instance_id
        assert status.version == sidecar.ready.version


async def refused_token() -> None:
    async with spawned() as sidecar:
        for token in ("x" * len(sidecar.ready.token), None):
            async with raw_calls(sidecar.ready.address, token) as calls:
                assert (await error_of(calls.ask_status())).reason == "UNAUTHENTICATED"
                assert (await error_of(calls.open_stream())).reason == "UNAUTHENTICATED"


async def wrong_field() -> None:
    async with spawned() as sidecar:
        call = sidecar.client.download_game_files("aoe2", content_id="no hash")
        error = await error_of(call)
        assert error.reason == "INVALID_FIELD"
        assert error.metadata["field"] == "content_id"


async def list_pages() -> None:
    expected = sorted(json.loads(os.environ["CONFORMANCE_GAMES"]))
    async with spawned() as sidecar:
        await _wait_until_known(sidecar.client, set(expected))
        sizes: list[int] = []
        ids: list[str] = []
        async with raw_calls(sidecar.ready.address, sidecar.ready.token) as calls:
            request = ListGamesRequest(page_size=10)
            while not sizes or request.page_token:
                page = await calls.game_page(request)
                sizes.append(len(page.games))
                ids += [game.id for game in page.games]
                request.page_token = page.next_page_token
        assert sizes == [10, 10, 5], sizes
        assert sorted(ids) == expected, ids
        assert [game.id async for game in sidecar.client.list_games(page_size=10)] == ids


async def _wait_until_known(client: Client, missing: set[str]) -> None:
    def is_the_last(message: WatchEventsResponse) -> bool:
        missing.difference_update(game.id for game in games_in(message))
        return not missing

    async with aclosing(client.events()) as events:
        await find(events, is_the_last)


async def tls() -> None:
    async with spawned() as sidecar:
        another = sidecar.ready.tls_certificate
        assert another
    async with spawned() as sidecar:
        ready = sidecar.ready
        assert (await sidecar.client.get_status()).instance_id == ready.instance_id
        certificate = ready.tls_certificate
        told = Client(ready.address, ready.token, tls_certificate=certificate)
        for client in (Client.connect(state_dir()), told):
            async with client:
                assert (await client.get_status()).instance_id == ready.instance_id
        async with Client(ready.address, ready.token, tls_certificate=another) as mistaken:
            assert (await error_of(mistaken.get_status())).reason == "NO_ANSWER"
        assert (await error_of(_ask(_ELSEWHERE, ready.token))).reason == "TLS_REQUIRED"


async def _ask(address: str, token: str) -> None:
    async with Client(address, token) as client:
        await client.get_status()


async def shutdown() -> None:
    async with spawned() as sidecar, aclosing(sidecar.client.events()) as events:
        await find(events, snapshot_end)
        await sidecar.client.shutdown()
        async for _ in events:
            # Whatever still comes; an error would be raised.
            pass
        assert await asyncio.to_thread(sidecar.process.wait_ended, PATIENCE_S) == 0


async def parent_killed() -> None:
    async with spawned() as sidecar:
        print(json.dumps({"pid": sidecar.ready.pid}), flush=True)
        await asyncio.to_thread(sidecar.process.wait_ended)
    raise AssertionError("the sidecar ended before its parent")
