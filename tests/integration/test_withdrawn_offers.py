"""Sources that withdraw what they offer while it is fetched: no request of theirs stays behind."""

import asyncio

import pytest

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import StreamReset
from lanspread_peer.model.limits import MAX_REQUEST_BUFFERS
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from support.hostile_peer import Answer, HostilePeer, resetting
from support.party import (
    AOE2,
    Party,
    address_of,
    make_game,
    peer_count,
    start_download,
    until,
    wait_done,
)

GAME = make_game(6)
FETCH = messages.GetGameFileChunk
WHOLE = messages.GetGameFileData


class Dripper:
    """Sends a byte now and then; neither right nor wrong within a test's time, nor silent."""

    def __init__(self) -> None:
        self.begun = 0
        self.cut = 0

    async def more_than(self, count: int) -> None:
        """Waits until it was asked more often than that."""
        await until(lambda: self.begun > count, within=20.0)

    async def __call__(self, _peer: HostilePeer, stream: Stream, _request: Message) -> None:
        self.begun += 1
        try:
            while True:
                await stream.send(b"x")
                await asyncio.sleep(0.1)
        except StreamReset:
            self.cut += 1


@pytest.mark.parametrize(
    ("kind", "others"),
    [(FETCH, {}), (WHOLE, {FETCH: resetting(6)})],
    ids=["chunks", "whole files"],
)
async def test_what_a_source_that_withdraws_was_asked_for_is_cut(
    party: Party, kind: type[Message], others: dict[type[Message], Answer]
) -> None:
    source, drip = await party.hostile({AOE2: GAME}), Dripper()
    source.answers.update({**others, kind: drip})
    await start_download(await party.downloader(source))
    await until(lambda: drip.begun)
    await source.announce({})
    await until(lambda: drip.cut == drip.begun, within=20.0)


async def test_one_that_drips_withdraws_and_offers_again_does_not_stop_an_honest_one(
    party: Party,
) -> None:
    source, drip = await party.hostile({AOE2: GAME}), Dripper()
    source.answers[FETCH] = drip
    offers = source.offers
    downloader = await party.downloader(source, patience_s=60.0)
    download_id = await start_download(downloader)
    begun = 0
    while drip.begun < MAX_REQUEST_BUFFERS + 4:
        await drip.more_than(begun)
        begun = drip.begun
        await source.announce({})
        await wait_no_source(downloader)
        await source.announce(offers)
    honest = await party.start("honest", {AOE2: GAME})
    await downloader.add_peer(address_of(honest))
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED


async def wait_no_source(sidecar: Sidecar) -> None:
    await until(lambda: not peer_count(sidecar))
