"""The block list says only what is on the disk, and is bounded."""

from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError, TooManyBlocked
from lanspread_peer.model.limits import MAX_BLOCKED_PEERS
from lanspread_peer.runtime import block_list
from lanspread_peer.runtime.block_list import BlockList
from lanspread_peer.storage.blocked_peers import read_blocked, write_blocked
from support.values import peer_id


async def test_changes_are_on_the_disk_when_they_count(tmp_path: Path) -> None:
    blocked = await BlockList.load(tmp_path)
    await blocked.add(peer_id(1))
    await blocked.add(peer_id(2))
    await blocked.add(peer_id(2))
    await blocked.remove(peer_id(1))
    await blocked.remove(peer_id(3))
    assert peer_id(2) in blocked
    assert peer_id(1) not in blocked
    assert blocked.peers == read_blocked(tmp_path) == {peer_id(2)}
    assert (await BlockList.load(tmp_path)).peers == {peer_id(2)}


async def test_a_peer_beyond_the_limit_is_refused_until_another_is_unblocked(
    tmp_path: Path,
) -> None:
    write_blocked(tmp_path, map(peer_id, range(MAX_BLOCKED_PEERS)))
    blocked = await BlockList.load(tmp_path)
    with pytest.raises(TooManyBlocked):
        await blocked.add(peer_id(MAX_BLOCKED_PEERS))
    assert peer_id(MAX_BLOCKED_PEERS) not in blocked
    await blocked.remove(peer_id(0))
    await blocked.add(peer_id(MAX_BLOCKED_PEERS))
    assert len(read_blocked(tmp_path)) == MAX_BLOCKED_PEERS


async def test_what_cannot_be_written_is_not_blocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = await BlockList.load(tmp_path)

    def fail(*_: object) -> None:
        raise StorageError("the disk refuses")

    monkeypatch.setattr(block_list, "write_blocked", fail)
    with pytest.raises(StorageError):
        await blocked.add(peer_id(1))
    assert peer_id(1) not in blocked
