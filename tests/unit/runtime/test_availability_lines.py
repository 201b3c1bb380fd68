"""The lines that a followed downloader tells: no flood of them, and none holds up the others."""

import asyncio

import pytest

from lanspread_peer.core.chunk_set import set_of_run
from lanspread_peer.model.limits import (
    AVAILABILITY_BURST_BYTES,
    AVAILABILITY_LINE_BYTES,
    AVAILABILITY_PART_BYTES,
)
from lanspread_peer.runtime import partial_sources
from lanspread_peer.wire.availability import SIGN_OF_LIFE, encode_held
from support.partial_sources import NOBODY, make, settled
from support.values import peer_id


@pytest.mark.parametrize("too_many", [0, 1])
async def test_so_many_lines_may_come_at_once_and_no_more(
    too_many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_sources, "monotonic_s", lambda: 0.0)
    sources, links, _ = make(1)
    first = encode_held(1, 4).ljust(AVAILABILITY_PART_BYTES, SIGN_OF_LIFE)
    most = AVAILABILITY_BURST_BYTES // (1 + AVAILABILITY_LINE_BYTES)
    # The last one may wait in a part with others, which are taken or refused together.
    links.lines = first + SIGN_OF_LIFE * (most + too_many)
    sources.update(NOBODY, now=0.0)
    await settled(sources)
    assert len(links.offences) == too_many
    assert bool(sources.update(NOBODY, now=0.0)) is not bool(too_many)
    # What it told before does not make it a source again, however long the download takes.
    sources.update(NOBODY, now=1e9)
    await settled(sources)
    assert links.streams == 2 - too_many


async def test_who_begins_anew_has_not_so_many_lines_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_sources, "monotonic_s", lambda: 0.0)
    sources, links, _ = make(1)
    half = AVAILABILITY_BURST_BYTES // (1 + AVAILABILITY_LINE_BYTES) * 2 // 3
    links.lines = encode_held(1, 4).ljust(AVAILABILITY_PART_BYTES, SIGN_OF_LIFE)
    links.lines += SIGN_OF_LIFE * half
    for now in (0.0, 10.0):
        assert not links.offences
        sources.update(NOBODY, now=now)
        await settled(sources)
    assert len(links.offences) == 1


async def test_lines_of_one_piece_are_told_together_and_others_have_their_turn_between() -> None:
    count = 20_000
    sources, links, _ = make(1, count)
    lines = b"".join(b"%d\n" % number for number in range(count - 1, count - 10_001, -1))
    links.lines = encode_held(0, count) + lines
    sources.update(NOBODY, now=0.0)
    turns = 0
    while sources._tasks._tasks:
        await asyncio.sleep(0)
        turns += 1
    parts = -(-len(links.lines) // AVAILABILITY_PART_BYTES)
    assert turns >= parts
    assert 0 < len(links.news) <= parts
    assert sources.update(NOBODY, now=0.0) == {peer_id(0): set_of_run(count - 10_000, 10_000)}


async def test_an_answer_without_a_word_makes_no_source() -> None:
    sources, links, _ = make(1)
    links.lines = b""
    for asked, now in enumerate((0.0, 1e9), 1):
        sources.update(NOBODY, now=now)
        await settled(sources)
        assert sources.update(NOBODY, now=0.0) == {}
        assert links.streams == asked
    assert not links.offences
