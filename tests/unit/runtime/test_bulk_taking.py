"""What a request brings is on disk as soon as it may be, and stays there whatever comes then."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.limits import MIB
from lanspread_peer.model.manifest import Chunk
from lanspread_peer.runtime import bulk_taking
from lanspread_peer.runtime.bulk_taking import Taking
from lanspread_peer.runtime.carrier import Target
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.tls_reader import DataReader
from support.stagings import manifest_of, new_staging
from support.storage_folders import make_game_dir

FILES = {"a.eti": os.urandom(3 * MIB + 5), "b.eti": b"small", "version.ini": b"1"}
MANIFEST = manifest_of(FILES)
CHUNKS = MANIFEST.run(0, MANIFEST.totals.chunks)
DATA = b"".join(FILES.values())


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    staging = new_staging(make_game_dir(tmp_path / "games", {}), MANIFEST)
    yield staging
    staging.discard()


class Reports:
    """What the loop is told."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def on_bytes(self, count: int) -> None:
        raise AssertionError(count)

    def on_chunk(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def on_chosen(self, number: int) -> bool:
        raise AssertionError(number)


def reader_of(data: bytes, on_read: Callable[[int], None] = lambda _: None) -> DataReader:
    """Gives these bytes and then breaks off; `on_read` hears how many went before each read."""
    left = memoryview(data)

    def read_into(view: memoryview, _on_received: Callable[[int], None]) -> int:
        nonlocal left
        on_read(len(data) - len(left))
        if not left:
            raise errors.ConnectionLost("it broke")
        count = min(len(view), len(left))
        view[:count] = left[:count]
        left = left[count:]
        return count

    return DataReader(len(DATA), read_into, lambda _: None, lambda: False)


async def take(staging: Staging, reader: DataReader) -> Reports:
    reports = Reports()
    target = Target(staging.staged.content_id, MANIFEST, staging)
    taking = Taking(target, CHUNKS, reports, RateLimit(), asyncio.get_running_loop())
    try:
        await run_in_thread(taking.take, reader)
    finally:
        # What was told is told by now.
        await asyncio.sleep(0)
    return reports


async def test_all_of_it_is_written_and_told_once(staging: Staging) -> None:
    reports = await take(staging, reader_of(DATA))
    assert reports.chunks == CHUNKS
    assert staging.verified_bytes == len(DATA)
    for path, data in FILES.items():
        file = staging.game_dir.root / staging.path_of(MANIFEST.file(path).path)  # type: ignore[union-attr]
        assert file.read_bytes() == data


async def test_what_came_whole_before_a_break_is_kept(staging: Staging) -> None:
    whole = CHUNKS[0].length + CHUNKS[1].length
    with pytest.raises(errors.ConnectionLost):
        await take(staging, reader_of(DATA[: whole + 1000]))
    assert staging.verified_bytes == whole


async def test_what_is_right_before_wrong_bytes_is_kept(staging: Staging) -> None:
    wrong = bytearray(DATA)
    wrong[CHUNKS[0].length + CHUNKS[1].length + 7] ^= 1
    with pytest.raises(errors.IntegrityError, match="chunk 2"):
        await take(staging, reader_of(bytes(wrong)))
    assert staging.verified_bytes == CHUNKS[0].length + CHUNKS[1].length


async def test_on_a_slow_way_no_chunk_waits_for_the_next(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(bulk_taking, "monotonic_s", lambda: next(ticks) / 10)
    verified: dict[int, int] = {}

    def look(came: int) -> None:
        verified[came] = staging.verified_bytes

    await take(staging, reader_of(DATA, look))
    assert all(came == written for came, written in verified.items())
