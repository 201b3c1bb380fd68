"""Publishing when something goes wrong: the game folder stays as it was."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from lanspread_peer.model.errors import IntegrityError, StorageError
from lanspread_peer.model.manifest import VERSION_INI, FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.storage import beneath_posix
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.moves import Move, MoveFolder, QuickStep
from lanspread_peer.storage.publish import publish
from lanspread_peer.storage.scratch import clear_scratch
from lanspread_peer.storage.staging import Staging
from support.player import NEW, OLD, Player, files_in
from support.stagings import chunk_data, new_staging
from support.storage_folders import fill_staging, index_game, make_files, snapshot


@pytest.mark.parametrize("name", ["aoe2", ".lanspread/records", ".lanspread/conflicts"])
def test_a_linked_folder_of_ours_stops_the_publish(
    player: Player, tmp_path: Path, name: str
) -> None:
    outside = make_files(tmp_path / "outside", {"aoe2/game.eti": b"canary", "game.eti": b"canary"})
    before = snapshot(outside)
    if name.endswith("conflicts"):
        make_files(player.root, {"game.eti": b"mine"})
    player.game_dir.make_own()
    (player.game_dir.root / name).symlink_to(outside)
    with pytest.raises(StorageError):
        player.download(player.offer(OLD))
    assert snapshot(outside) == before


def _stop_at(number: int) -> Callable[[QuickStep], None]:
    seen: list[QuickStep] = []

    def before_step(step: QuickStep) -> None:
        seen.append(step)
        if len(seen) > number:
            raise StorageError(f"step {number}")

    return before_step


def _prepare(player: Player) -> IndexedGame:
    player.download(player.offer(OLD))
    make_files(player.root, {"data/more": b"mine", "local/x": b"x", "game.eti": b"patched"})
    return player.offer(NEW)


def test_whichever_step_fails_the_game_folder_is_as_it_was(player: Player) -> None:
    game = _prepare(player)
    before = snapshot(player.game_dir.root)
    rows = player.index.rows_of(player.game_dir, "aoe2")
    number = 0
    while True:
        try:
            player.download(game, before_step=_stop_at(number))
        except StorageError as error:
            assert error.message == f"step {number}"  # noqa: PT017 - the loop ends on success
            assert snapshot(player.game_dir.root) == before
            assert player.index.rows_of(player.game_dir, "aoe2") == rows
            number += 1
        else:
            break
    assert number > 20
    assert {path: (player.root / path).read_bytes() for path in NEW} == NEW


def test_a_place_that_is_taken_meanwhile_stops_the_publish(player: Player) -> None:
    game = _prepare(player)
    before = snapshot(player.game_dir.root)
    taken = player.root / "run.sh"

    def take_the_place(step: QuickStep) -> None:
        if isinstance(step, Move) and step.new == "aoe2/run.sh":
            taken.write_bytes(b"mine")

    with pytest.raises(StorageError) as caught:
        player.download(game, before_step=take_the_place)
    assert caught.value.metadata["errno"] == "EEXIST"
    assert snapshot(player.game_dir.root) == {**before, "aoe2/run.sh": b"mine"}


def test_what_is_in_the_place_of_a_new_folder_is_not_replaced(player: Player) -> None:
    game = player.offer(NEW)
    mine = {"data/more/added": b"mine", "data/save": b"mine too"}

    def take_the_place(step: QuickStep) -> None:
        if isinstance(step, MoveFolder):
            make_files(player.root, mine)

    with pytest.raises(StorageError) as caught:
        player.download(game, before_step=take_the_place)
    assert caught.value.metadata["errno"] == "EEXIST"
    assert files_in(player.root) == mine


def test_what_a_person_adds_to_a_new_folder_stays_when_the_publish_is_undone(
    player: Player,
) -> None:
    def add_and_fail(step: QuickStep) -> None:
        if isinstance(step, Move) and step.new == "aoe2/version.ini":
            make_files(player.root, {"data/more/mine": b"mine"})
            raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="full"):
        player.download(player.offer(NEW), before_step=add_and_fail)
    assert files_in(player.root) == {"data/more/mine": b"mine"}


def test_a_file_that_lacks_a_chunk_is_never_published(player: Player) -> None:
    game = player.offer(OLD)
    manifest = game.manifest
    staging = new_staging(player.game_dir, manifest)
    for path in OLD.keys() - {"game.eti"}:
        for chunk in manifest.chunks_of(path):
            staging.write_chunk(chunk, chunk_data(manifest, OLD, chunk.number))
    with pytest.raises(IntegrityError):
        _publish(player, staging, manifest, manifest.files)
    assert not player.root.exists()
    staging.discard()


def test_a_kept_file_that_changed_meanwhile_is_never_published(player: Player) -> None:
    player.download(player.offer(OLD))
    game = player.offer(NEW)
    files = [entry for entry in game.manifest.files if entry.path != "same.pak"]
    staging = new_staging(player.game_dir, game.manifest, files=files)
    fill_staging(staging, game)
    make_files(player.root, {"same.pak": b"SAME"})
    before = snapshot(player.root)
    with pytest.raises(IntegrityError):
        _publish(player, staging, game.manifest, files, keep={SafeRelPath("same.pak")})
    assert snapshot(player.root) == before
    staging.discard()


def test_a_publish_without_a_version_is_refused(player: Player) -> None:
    game = player.offer(OLD)
    files = [entry for entry in game.manifest.files if entry.path != VERSION_INI]
    staging = new_staging(player.game_dir, game.manifest, files=files)
    fill_staging(staging, game)
    with pytest.raises(IntegrityError):
        _publish(player, staging, game.manifest, files)
    staging.discard()


def _publish(
    player: Player,
    staging: Staging,
    manifest: Manifest,
    files: Collection[FileEntry],
    keep: Collection[SafeRelPath] = (),
) -> None:
    publish(
        player.game_dir,
        "aoe2",
        staging,
        manifest,
        files=tuple(files),
        keep=keep,
        obsolete=(),
        index=player.index,
        may_replace=True,
    )


def test_everything_is_synced_before_the_version_appears(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        log.append(str(path.relative_to(player.game_dir.root)))

    def before_step(step: QuickStep) -> None:
        if isinstance(step, (Move, MoveFolder)):
            log.append(f"move to {step.new}")

    monkeypatch.setattr(os, "fsync", fsync)
    player.download(player.offer(NEW), before_step=before_step)
    last = log.index("move to aoe2/version.ini")
    first_move = log.index("move to aoe2/data")
    staged = {f".lanspread/staging/d1/files/{path}" for path in (*NEW, "data", "data/more")}
    assert staged <= set(log[:first_move])
    assert {"aoe2", "."} <= set(log[first_move:last])
    assert log[last + 1] == "aoe2"


def test_an_index_that_fails_does_not_undo_a_publish(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("no room in the index")

    monkeypatch.setattr(player.index, "replace_rows", fail)
    player.download(player.offer(OLD))
    monkeypatch.undo()
    assert files_in(player.root) == OLD
    assert player.rescan()[1] == sum(map(len, OLD.values()))


def test_displaced_files_that_cannot_be_deleted_go_at_the_next_start(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))

    def fail(*_: object, **__: object) -> None:
        raise OSError("busy")

    monkeypatch.setattr(beneath_posix, "remove_tree", fail)
    monkeypatch.setattr(Staging, "discard", Staging.close)
    game = _offer_beside(player, NEW)
    player.download(game)
    monkeypatch.undo()
    assert files_in(player.root) == NEW
    left = files_in(player.game_dir.own / "scratch")
    assert OLD["version.ini"] in left.values()
    clear_scratch(player.game_dir)
    assert list((player.game_dir.own / "scratch").iterdir()) == []
    assert files_in(player.root) == NEW


def _offer_beside(player: Player, files: Mapping[str, bytes]) -> IndexedGame:
    """Offer files without removing what was offered before."""
    make_files(player.source.root / "other", files)
    return index_game(player.source, "other", player.source_index)[0]
