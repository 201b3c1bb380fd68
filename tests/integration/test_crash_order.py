"""Power cuts at any moment of a download, its group syncs and its publish.

All that storage does to the disk is logged, and replayed up to any point with whatever was not
synced left out, torn or kept. What is left must then do for a start.
"""

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from lanspread_peer.core.chunk_set import NO_CHUNKS, ChunkSet, contains, numbers_in
from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.limits import KIB
from lanspread_peer.model.manifest import FileEntry, Manifest, chunk_hash
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.moves import QuickStep
from lanspread_peer.storage.publish import publish
from lanspread_peer.storage.publish_steps import BeforeStep, PublishStep, ignore_step
from lanspread_peer.storage.records import already_right, obsolete_files
from lanspread_peer.storage.recovery import Outcome, recover
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.stagings import was_published
from support.cuts import persons_files
from support.disk_log import DiskLog, logged
from support.long_form import long_form
from support.player import OLD, Player, files_in
from support.power_cut import AllKept, power_cut
from support.stagings import chunk_data, new_staging, read_stagings
from support.storage_folders import make_files

MINE = {
    "save.dat": b"my save",
    "local/game.exe": b"installed",
    "data/more": b"in the way of a folder",
    "game.eti": b"patched by me",
}


@dataclass
class Update:
    """An update that was logged, and what was there before and after it.

    `promises` are the chunks that were recorded by then, each with the length of the log.
    """

    log: DiskLog
    promises: list[tuple[int, ChunkSet]]
    manifest: Manifest
    content: Mapping[str, bytes]
    before: dict[str, bytes | str]
    after: dict[str, bytes | str]


def _new_content(chance: Random) -> dict[str, bytes]:
    content = {
        "version.ini": b"2",
        "same.pak": b"same",
        "game.eti": chance.randbytes(chance.choice([3, 4]) * 256 * KIB + chance.randrange(1000)),
        "data/changed": chance.randbytes(chance.randrange(1, 5000)),
        "data/empty": b"",
        "fresh/deep/er": chance.randbytes(chance.randrange(3000)),
        "fresh/empty": b"",
    }
    for number in range(chance.randrange(1, 6)):
        content[f"data/more/{number}"] = chance.randbytes(chance.randrange(3000))
    return content


def _update(player: Player, chance: Random) -> Update:
    player.download(player.offer(OLD))
    make_files(player.root, MINE)
    content = _new_content(chance)
    game = player.offer(content)
    manifest = game.manifest
    kept = already_right(player.game_dir, "aoe2", manifest, player.index)
    files = [entry for entry in manifest.files if entry.path not in kept]
    before = files_in(player.root)
    with logged(player.game_dir.root) as log:
        staging = new_staging(player.game_dir, manifest, "d2", files=files)
        promises: list[tuple[int, ChunkSet]] = [(0, NO_CHUNKS)]
        staging = _fill(staging, files, content, chance, log, promises)
        if chance.random() < 0.7:
            staging = _fail_to_publish(player, staging, files, chance)
        _publish(player, staging, files)
        staging.discard()
    return Update(log, promises, manifest, content, before, files_in(player.root))


def _fill(
    staging: Staging,
    files: list[FileEntry],
    content: Mapping[str, bytes],
    chance: Random,
    log: DiskLog,
    promises: list[tuple[int, ChunkSet]],
) -> Staging:
    """Write the chunks in any order, with group syncs, and once a stop in between."""
    manifest = staging.manifest
    missing = [chunk.number for entry in files for chunk in manifest.chunks_of(entry.path)]
    chance.shuffle(missing)
    stop_at = chance.randrange(len(missing))
    while missing:
        number = missing.pop()
        staging.write_chunk(manifest.chunk(number), chunk_data(manifest, content, number))
        if chance.random() < 0.4:
            staging.record()
            promises.append((len(log.operations), staging.verified))
        if len(missing) == stop_at:
            staging.close()
            if chance.random() < 0.5:
                # Somebody tidies up, so the record is true no longer.
                promises.append((len(log.operations), NO_CHUNKS))
                gone = staging.path_of(chance.choice(files).path)
                beneath.remove_file(staging.game_dir.root, gone)
            staging = Staging.reopen(staging.game_dir, staging.name)
            staging.prepare(files)
            wanted = [chunk.number for entry in files for chunk in manifest.chunks_of(entry.path)]
            missing = [number for number in wanted if not contains(staging.verified, number)]
            stop_at = -1
    return staging


def _fail_to_publish(
    player: Player, staging: Staging, files: list[FileEntry], chance: Random
) -> Staging:
    """A publish that undoes itself; the same staging, ready for another."""
    left = [chance.randrange(1, 30)]

    def fail(_name: PublishStep, _step: QuickStep | None) -> None:
        left[0] -= 1
        if not left[0]:
            raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="full"):
        _publish(player, staging, files, fail)
    staging = Staging.reopen(player.game_dir, staging.name)
    staging.prepare(files)
    return staging


def _publish(
    player: Player,
    staging: Staging,
    files: list[FileEntry],
    before_step: BeforeStep = ignore_step,
) -> None:
    game_dir, index, manifest = player.game_dir, player.index, staging.manifest
    publish(
        game_dir,
        "aoe2",
        staging,
        manifest,
        files=files,
        keep=already_right(game_dir, "aoe2", manifest, index),
        obsolete=obsolete_files(game_dir, "aoe2", manifest, index),
        index=index,
        may_replace=True,
        before_step=before_step,
    )


def _assert_right(update: Update, length: int, root: Path, index: Index) -> Outcome | None:
    """What a start finds after the power cut does."""
    game_dir = GameDir(root, has_stable_inodes=False)
    recovered = recover(game_dir, index)
    assert all(each.outcome is not Outcome.STUCK for each in recovered), recovered
    assert files_in(root / "aoe2") in (update.before, update.after)
    assert persons_files(root, MINE) == set()
    for found in read_stagings(game_dir):
        if was_published(game_dir, found):
            assert files_in(root / "aoe2") == update.after
            continue
        assert found.fault == ""
        promised = [chunks for at, chunks in update.promises if at <= length][-1]
        _assert_true_record(update, Staging.reopen(game_dir, found.name), promised)
    assert recover(game_dir, index) == []
    return recovered[0].outcome if recovered else None


def _cut_the_recovery(root: Path, index: Index, chance: Random) -> None:
    """The power fails again while the start after the first time is at work."""
    with logged(root) as log:
        recover(GameDir(root, has_stable_inodes=False), index)
    shutil.rmtree(root)
    power_cut(log, chance.randrange(len(log.operations) + 1), chance, root)


def _assert_true_record(update: Update, staging: Staging, promised: ChunkSet) -> None:
    kept = {"same.pak"}
    staging.prepare([entry for entry in update.manifest.files if entry.path not in kept])
    assert promised & ~staging.verified == NO_CHUNKS
    for number in numbers_in(staging.verified):
        chunk = update.manifest.chunk(number)
        path = staging.game_dir.root / staging.path_of(chunk.file.path)
        data = path.read_bytes()[chunk.offset : chunk.offset + chunk.length]
        assert chunk_hash(data) == chunk.hash, f"chunk {number} of {chunk.file.path} is wrong"
    staging.close()


@pytest.mark.scales
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("round_", range(long_form(short=3, long=40)))
def test_whatever_the_disk_held_back_the_record_is_true_and_the_game_whole(
    player: Player, tmp_path: Path, round_: int
) -> None:
    seed = random.randrange(10**9)
    chance = Random(seed)
    update = _update(player, chance)
    lengths = range(len(update.log.operations) + 1)
    root = tmp_path / "after the cut"
    outcomes = set()
    for length in chance.sample(lengths, long_form(short=90, long=len(lengths))):
        cut_seed = chance.randrange(10**9)
        cut_chance = Random(cut_seed)
        power_cut(update.log, length, cut_chance, root)
        try:
            if cut_chance.random() < 0.3:
                _cut_the_recovery(root, player.index, cut_chance)
            outcomes.add(_assert_right(update, length, root, player.index))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, cut {cut_seed} after {length}: {error}") from error
        shutil.rmtree(root)
    assert {None, Outcome.PUBLISHED} <= outcomes


def test_a_replay_without_a_cut_is_what_was_there(player: Player, tmp_path: Path) -> None:
    update = _update(player, Random(1))
    length = len(update.log.operations)
    power_cut(update.log, length, AllKept(), tmp_path / "after")
    assert files_in(tmp_path / "after") == files_in(player.game_dir.root)
