"""Fetching: what the requests of one download come to, at a source that a test plays."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import cast

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.core.download import Download
from lanspread_peer.core.liars import Liars
from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.errors import Refused
from lanspread_peer.model.ids import ContentId, game_key
from lanspread_peer.model.peer import Address
from lanspread_peer.runtime.carrier import Carrier, Reports, Target
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.fetch_requests import Network
from lanspread_peer.runtime.fetching import Fetching, Wanted, make_planner
from lanspread_peer.runtime.peer_links import PeerLinks
from lanspread_peer.storage.staging import Staging
from support.manifests import game_manifest
from support.values import peer_id

PEER = peer_id(1)


class Source:
    """Stands in for the peer database, the links and the carrier at once."""

    connected_count = 1

    def __init__(self) -> None:
        self.is_offered = True
        self.asked = 0
        self.late = asyncio.Event()
        self.right = asyncio.Event()

    def sources(self, *_: object) -> frozenset[str]:
        return frozenset({PEER} if self.is_offered else ())

    def partial_sources(self, *_: object) -> frozenset[str]:
        return frozenset()

    def current(self, *_: object) -> None:
        """It said nothing."""

    def served(self, *_: object) -> None:
        """Nobody counts."""

    def connection(self, _: object) -> SimpleNamespace:
        return SimpleNamespace(address=Address("192.0.2.1", 1), is_closed=False)

    async def fetch(self, _: object, target: Target, asked: Assignment, reports: Reports) -> None:
        self.asked += 1
        if self.asked > 1:
            await self.right.wait()
            reports.on_chunk(target.manifest.chunk(asked.chunks[0]))
            return
        # It was refused in the moment in which it was cut, and hears of that first.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await self.late.wait()
        raise Refused("no")


async def test_a_late_failure_is_not_one_of_the_new_request_for_the_same_chunk() -> None:
    source = Source()
    manifest = game_manifest({"version.ini": b"20240229"})
    wanted = Wanted(game_key("aoe2"), ContentId("ab" * 32), manifest, manifest.files)
    planner = make_planner(wanted)
    network = Network(
        cast(PeerDb, source),
        cast(PeerLinks, source),
        cast(Carrier, source),
        RunningCounters(),
        Liars(),
    )
    now = monotonic_s()
    download = Download(total_bytes=8, patience_s=30.0, now=now)
    download.start(on_disk=0, now=now)
    fetching = Fetching(
        wanted,
        planner,
        cast(Staging, None),
        network,
        download,
        lambda: None,
        lambda _: None,
        lambda _: None,
    )
    async with asyncio.timeout(20):
        run = asyncio.ensure_future(fetching.run())
        for is_offered in (True, False, True):
            source.is_offered = is_offered
            fetching.wake()
            await settle()
        assert source.asked == 2
        source.late.set()
        await settle()
        assert planner.assign(now=monotonic_s() + 100.0) == []
        source.right.set()
        await run
    assert source.asked == 2


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
