"""Publishes that were cut: the next start leaves the old game or the new one, and loses nothing."""

import os
import random
from contextlib import nullcontext
from pathlib import Path

import pytest

from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.journal import journal_path
from lanspread_peer.storage.moves import QuickStep
from lanspread_peer.storage.publish_steps import PublishStep
from lanspread_peer.storage.records import read_record
from lanspread_peer.storage.recovery import Outcome, recover
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.staging_folder import remove_staging
from support.cuts import Cuts, copy_tree, left_in_own, persons_files, recover_at
from support.long_form import long_form
from support.player import NEW, OLD, Player, files_in
from support.storage_folders import index_game, make_files, snapshot

MINE = {
    "save.dat": b"my save",
    "dropped/note": b"my note",
    "local/game.exe": b"installed",
    "data/more": b"in the way of a folder",
    "run.sh/inner": b"in the way of a file",
    "game.eti": b"patched by me",
}
# With a journal that has something left to say.
NOT_BEGUN_OR_DONE = (
    PublishStep.WRITE_JOURNAL,
    PublishStep.DELETE_DISPLACED,
)


@pytest.fixture
def cuts(player: Player, tmp_path: Path) -> Cuts:
    """An update that was cut before each of its steps; nothing had happened before the first."""
    player.download(player.offer(OLD))
    make_files(player.root, MINE)
    (player.root / "link").symlink_to("save.dat")
    cuts = Cuts(player.game_dir.root, tmp_path / "cuts")
    player.download(player.offer(NEW), before_named=cuts)
    return cuts


def _at(cuts: Cuts, name: PublishStep, which: int = 0) -> Path:
    """The game folder as it was before the first, or another, step of that name."""
    return cuts.taken[[n for n, each in enumerate(cuts.names) if each is name][which]]


def _old() -> dict[str, bytes | str]:
    return {**OLD, **MINE, "link": "link to save.dat"}


def _assert_new(root: Path) -> None:
    kept = {path: MINE[path] for path in ("save.dat", "dropped/note", "local/game.exe")}
    assert files_in(root / "aoe2") == {**NEW, **kept, "link": "link to save.dat"}


def _assert_done(root: Path, *, staging: bool) -> None:
    """No journal, nothing displaced, and nothing of a person's lost."""
    assert persons_files(root, MINE) == set()
    left = left_in_own(root)
    assert {path for path in left if not path.startswith("staging/")} == set()
    assert bool(left) == staging
    displaced = root / ".lanspread/displaced"
    assert not displaced.exists() or not list(displaced.iterdir())


def test_every_step_has_its_name(cuts: Cuts) -> None:
    expected = set(PublishStep) - {PublishStep.RESPELL, PublishStep.REMOVE_STAGING}
    assert set(cuts.names) == expected
    assert cuts.names[0] is PublishStep.WRITE_JOURNAL
    assert cuts.names[-5:] == [
        PublishStep.MOVE_VERSION_IN,
        PublishStep.SYNC_FOLDER,
        PublishStep.WRITE_INDEX,
        PublishStep.REMOVE_JOURNAL,
        PublishStep.DELETE_DISPLACED,
    ]


def test_a_cut_at_any_step_is_rolled_forward(player: Player, cuts: Cuts, tmp_path: Path) -> None:
    for number, root in cuts.taken.items():
        recovered = recover_at(root, player.index)
        if cuts.names[number] is PublishStep.WRITE_JOURNAL:
            assert recovered == []
            assert files_in(root / "aoe2") == _old()
            continue
        _assert_new(root)
        if cuts.names[number] is PublishStep.DELETE_DISPLACED:
            assert recovered == []
            _assert_done(root, staging=True)
            continue
        (each,) = recovered
        assert (each.outcome, each.folder, each.name) == (Outcome.PUBLISHED, "aoe2", "d2")
        assert each.staged is not None
        assert each.staged.id == "d2"
        moved = {path.split("/", 4)[4] for path in each.conflicts}
        assert moved == {"data/more", "run.sh", "game.eti"}
        _assert_done(root, staging=False)
        assert recover_at(root, player.index) == []


def test_a_new_file_that_is_lost_rolls_back_to_exactly_the_old_game(
    player: Player, cuts: Cuts, tmp_path: Path
) -> None:
    for number, root in cuts.taken.items():
        if cuts.names[number] in NOT_BEGUN_OR_DONE:
            continue
        staged = root / ".lanspread/staging/d2/files/data/more/added"
        place = staged if staged.exists() else root / "aoe2/data/more/added"
        place.unlink()
        (each,) = recover_at(root, player.index)
        assert (each.outcome, each.conflicts) == (Outcome.RESTORED, ())
        assert files_in(root / "aoe2") == _old()
        assert not (root / "aoe2/data/more").is_dir()
        _assert_done(root, staging=True)
        assert recover_at(root, player.index) == []
        _assert_usable(GameDir.open(str(root)), lost="data/more/added")


def _assert_usable(game_dir: GameDir, lost: str) -> None:
    staging = Staging.reopen(game_dir, "d2")
    wanted = [entry for entry in staging.manifest.files if entry.path != "same.pak"]
    staging.prepare(wanted)
    have = chunk_set(
        chunk.number
        for entry in wanted
        if entry.path != lost
        for chunk in staging.manifest.chunks_of(entry.path)
    )
    assert staging.verified == have
    staging.discard()


@pytest.mark.scales
@pytest.mark.parametrize("lost", [False, True])
def test_a_cut_in_recovery_is_recovered(
    player: Player, cuts: Cuts, tmp_path: Path, lost: bool
) -> None:
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    begun = [n for n, name in enumerate(cuts.names) if name not in NOT_BEGUN_OR_DONE]
    for number in chance.sample(begun, long_form(short=4, long=len(begun))):
        root = cuts.taken[number]
        if lost:
            for place in (".lanspread/staging/d2/files/run.sh", "aoe2/run.sh"):
                if (root / place).is_file():
                    (root / place).unlink()
        inner = Cuts(root, tmp_path / f"cuts of {number}", lambda _: chance.random() < 0.4)
        recover(GameDir.open(str(root)), player.index, before_step=inner)
        for cut, again in inner.taken.items():
            recover_at(again, player.index)
            if lost:
                assert files_in(again / "aoe2") == _old(), (seed, number, cut)
            else:
                _assert_new(again)
            assert persons_files(again, MINE) == set(), (seed, number, cut)
            assert recover_at(again, player.index) == []


@pytest.mark.parametrize("lost", [False, True])
def test_what_a_person_puts_in_the_way_is_set_aside(
    player: Player, cuts: Cuts, tmp_path: Path, lost: bool
) -> None:
    for number, root in cuts.taken.items():
        if cuts.names[number] in (PublishStep.WRITE_JOURNAL, PublishStep.DELETE_DISPLACED):
            continue
        edits = {"aoe2/data/changed": b"edited", "aoe2/game.eti": b"again", "aoe2/extra": b"extra"}
        if cuts.names[number] is not PublishStep.MAKE_FOLDER:
            edits["aoe2/version.ini"] = b"9"
        version = root / "aoe2/version.ini"
        make_files(root, edits)
        if lost:
            for place in (".lanspread/staging/d2/files/run.sh", "aoe2/run.sh"):
                if (root / place).is_file():
                    (root / place).unlink()
        (each,) = recover_at(root, player.index)
        assert each.outcome is not Outcome.STUCK
        is_new = each.outcome is Outcome.PUBLISHED
        assert version.read_bytes() in ((b"2",) if is_new else (b"1", b"9"))
        assert persons_files(root, {**edits, "save": b"my save", "note": b"my note"}) == set()
        for path in each.conflicts:
            assert path.startswith(".lanspread/conflicts/aoe2/")
        assert (root / "aoe2/extra").read_bytes() == b"extra"
        if is_new:
            assert {p: (root / "aoe2" / p).read_bytes() for p in NEW} == NEW


def test_a_folder_or_link_in_the_way_is_set_aside_whole(
    player: Player, cuts: Cuts, tmp_path: Path
) -> None:
    root = _at(cuts, PublishStep.MOVE_IN)
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    make_files(root / "aoe2/data/changed", {"inner": b"inner"})
    (root / "aoe2/run.sh").symlink_to(outside / "canary")
    (each,) = recover_at(root, player.index)
    assert each.outcome is Outcome.PUBLISHED
    _assert_new(root)
    aside = files_in(root / ".lanspread/conflicts/aoe2")
    assert b"inner" in aside.values()
    assert f"link to {outside / 'canary'}" in aside.values()
    assert snapshot(outside) == {"canary": b"canary"}


def test_files_whose_times_changed_are_known_by_their_bytes(
    player: Player, cuts: Cuts, tmp_path: Path
) -> None:
    root = _at(cuts, PublishStep.MOVE_VERSION_IN)
    for path in NEW:
        for place in (root / ".lanspread/staging/d2/files" / path, root / "aoe2" / path):
            if place.is_file():
                os.utime(place, (1, 1))
    (each,) = recover_at(root, player.index)
    assert each.outcome is Outcome.PUBLISHED
    _assert_new(root)


def test_a_game_rolled_forward_is_never_hashed_again(player: Player, tmp_path: Path) -> None:
    player.download(player.offer(OLD))
    cuts = Cuts(player.game_dir.root, tmp_path / "cuts")
    game = player.offer(NEW)
    player.download(game, before_named=cuts)
    for name in (PublishStep.MOVE_IN, PublishStep.WRITE_INDEX, PublishStep.REMOVE_JOURNAL):
        root = _at(cuts, name)
        state = tmp_path / f"state {name.value}"
        state.mkdir()
        index = Index(state)
        game_dir = GameDir.open(str(root))
        recover(game_dir, index)
        mine, read = index_game(game_dir, "aoe2", index)
        index.close()
        assert mine.content_id == game.content_id
        # Only what the publish did not touch, because the copy is another folder to the index.
        assert read == len(NEW["same.pak"])
        assert read_record(game_dir, "aoe2") == game.manifest


@pytest.mark.parametrize("kept_version", [False, True])
def test_respelled_folders_and_a_kept_version_are_rolled_either_way(
    player: Player, tmp_path: Path, kept_version: bool
) -> None:
    old = {"version.ini": b"1", "data/Maps/a": b"a", "data/Maps/old": b"o", "data/b": b"b"}
    new = {"version.ini": b"2", "Data/maps/A": b"new", "Data/b": b"b", "Data/maps/more": b"m"}
    if kept_version:
        new["version.ini"] = b"1"
    player.download(player.offer(old))
    make_files(player.root, {"data/Maps/mine": b"mine"})
    cuts = Cuts(player.game_dir.root, tmp_path / "cuts")
    player.download(player.offer(new), before_named=cuts)
    assert PublishStep.RESPELL in cuts.names
    for number, cut in cuts.taken.items():
        if cuts.names[number] in NOT_BEGUN_OR_DONE:
            continue
        forward = copy_tree(cut, tmp_path / "forward" / str(number))
        (each,) = recover_at(forward, player.index)
        assert (each.outcome, each.conflicts) == (Outcome.PUBLISHED, ())
        assert files_in(forward / "aoe2") == {**new, "Data/maps/mine": b"mine"}
        for place in (".lanspread/staging/d2/files/Data/maps/more", "aoe2/Data/maps/more"):
            if (cut / place).exists():
                (cut / place).unlink()
        (each,) = recover_at(cut, player.index)
        assert (each.outcome, each.conflicts) == (Outcome.RESTORED, ())
        assert files_in(cut / "aoe2") == {**old, "data/Maps/mine": b"mine"}


def test_a_torn_journal_tells_that_nothing_was_begun(player: Player, tmp_path: Path) -> None:
    player.download(player.offer(OLD))
    before = files_in(player.root)
    path = player.game_dir.root / journal_path("d9")
    for content in (b"", b"torn", b"0" * 64 + b"\n{}"):
        path.write_bytes(content)
        assert recover(player.game_dir, player.index) == []
        assert not path.exists()
    (path.parent / ".new-1").write_bytes(b"half")
    assert recover(player.game_dir, player.index) == []
    assert list(path.parent.iterdir()) == []
    assert files_in(player.root) == before


def test_a_broken_journal_of_a_publish_that_began_loses_nothing(
    player: Player, cuts: Cuts, tmp_path: Path
) -> None:
    root = _at(cuts, PublishStep.MOVE_IN)
    journal = root / journal_path("d2")
    journal.write_bytes(journal.read_bytes()[:-1])
    before = {**files_in(root)}
    (each,) = recover_at(root, player.index)
    assert each.outcome is Outcome.STUCK
    assert "torn" in each.reason
    assert files_in(root) == before
    with pytest.raises(StorageError):
        remove_staging(GameDir.open(str(root)), "d2")


def test_what_cannot_be_carried_out_is_stuck_and_tried_again(
    player: Player, cuts: Cuts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _at(cuts, PublishStep.MOVE_IN)
    before = files_in(root)
    real_rename = os.rename
    left = [3]

    def rename(old: str, new: str, **dirs: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise PermissionError(1, "not permitted")
        real_rename(old, new, **dirs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        (each,) = recover_at(root, player.index)
    assert each.outcome is Outcome.STUCK
    assert "not permitted" in each.reason
    assert set(files_in(root).values()) >= set(before.values())
    (each,) = recover_at(root, player.index)
    assert each.outcome is Outcome.PUBLISHED
    _assert_new(root)


def test_a_game_whose_publish_is_stuck_gets_no_other(player: Player) -> None:
    player.download(player.offer(OLD))
    make_files(player.game_dir.root, {journal_path("d9"): b"broken"})
    before = files_in(player.root)
    with pytest.raises(StorageError, match="earlier publish"):
        player.download(player.offer(NEW))
    assert files_in(player.root) == before


def test_an_undo_that_is_stuck_keeps_the_journal_and_the_next_start_ends_it(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.download(player.offer(OLD))
    monkeypatch.setattr(Staging, "discard", Staging.close)

    def fail(name: PublishStep, _: QuickStep | None) -> None:
        if name is PublishStep.MOVE_RECORD_IN:
            monkeypatch.setattr(os, "rename", refuse)
            raise StorageError("the disk is full")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "not permitted")

    with pytest.raises(StorageError) as caught:
        player.download(player.offer(NEW), before_named=fail)
    assert "left" in caught.value.metadata
    monkeypatch.undo()
    assert not (player.root / "version.ini").exists()
    (each,) = recover(player.game_dir, player.index)
    assert each.outcome is Outcome.PUBLISHED
    assert files_in(player.root) == NEW


def test_displaced_files_without_a_journal_are_removed(player: Player) -> None:
    make_files(player.game_dir.own, {"displaced/d1/1": b"x", "scratch/x": b"x"})
    make_files(player.game_dir.own, {"conflicts/aoe2/1/x": b"mine"})
    assert recover(player.game_dir, player.index) == []
    assert files_in(player.game_dir.own) == {"conflicts/aoe2/1/x": b"mine"}


@pytest.mark.parametrize("folder", ["journal", "displaced", "scratch"])
def test_a_link_in_the_place_of_our_folders_is_not_followed(
    player: Player, tmp_path: Path, folder: str
) -> None:
    outside = make_files(tmp_path / "outside", {"canary": b"canary"})
    player.game_dir.make_own()
    (player.game_dir.own / folder).symlink_to(outside)
    # Without a look at the scratch the game is safe, without one at the journals it may not be.
    with nullcontext() if folder == "scratch" else pytest.raises(StorageError):
        recover(player.game_dir, player.index)
    assert snapshot(outside) == {"canary": b"canary"}
