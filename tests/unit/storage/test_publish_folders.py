"""Publishing new folders as they were staged, and only what was to be published."""

import os
from contextlib import closing
from errno import EACCES
from stat import S_ISDIR

import pytest

from lanspread_peer.storage.moves import Move, MoveFolder, QuickStep
from lanspread_peer.storage.publish import publish
from support.player import NEW, Player, files_in
from support.stagings import new_staging
from support.storage_folders import fill_staging, make_files


def test_new_folders_are_moved_as_they_were_staged(player: Player) -> None:
    make_files(player.root, {"data/mine": b"mine"})
    staged = player.game_dir.root / ".lanspread/staging/d1/files"
    inodes: dict[str, int] = {}

    def before_step(step: QuickStep) -> None:
        for path in ("data", "data/more", "maps"):
            if (staged / path).exists():
                inodes.setdefault(path, (staged / path).stat().st_ino)
        seen.append(step)

    seen: list[QuickStep] = []
    new = {**NEW, "maps/a/b/c": b"deep", "maps/d": b"d"}
    player.download(player.offer(new), before_step=before_step)
    assert files_in(player.root) == {**new, "data/mine": b"mine"}
    moved = {step.new for step in seen if isinstance(step, MoveFolder)}
    assert moved == {"aoe2/data/more", "aoe2/maps"}
    assert {step.new for step in seen if isinstance(step, Move)} == {
        ".lanspread/records/aoe2/manifest",
        *(f"aoe2/{path}" for path in new if not path.startswith(("data/more", "maps"))),
    }
    for path in ("data/more", "maps"):
        assert (player.root / path).stat().st_ino == inodes[path]


@pytest.mark.parametrize("stranger", ["maps/a/x", "maps/a/b", "maps/y/z", "empty/more"])
def test_what_else_lies_in_a_staged_folder_is_never_published(
    player: Player, stranger: str
) -> None:
    new = {**NEW, "maps/a/c": b"c", "maps/d": b"d", "empty/f": b""}
    staged = player.game_dir.root / ".lanspread/staging/d1/files"

    def on_staged() -> None:
        make_files(staged, {stranger: b"never verified"})

    player.download(player.offer(new), on_staged=on_staged)
    assert files_in(player.root) == new


def test_a_link_in_a_staged_folder_is_never_published_with_it(player: Player) -> None:
    outside = player.game_dir.root / "outside"
    outside.mkdir()
    staged = player.game_dir.root / ".lanspread/staging/d1/files/maps"
    new = {"version.ini": b"1", "maps/a": b"a"}
    player.download(player.offer(new), on_staged=lambda: (staged / "b").symlink_to(outside))
    assert files_in(player.root) == new


def test_what_an_earlier_selection_left_in_the_staging_is_not_published(player: Player) -> None:
    game = player.offer({"version.ini": b"1", "maps/a": b"a", "maps/b": b"b"})
    manifest = game.manifest
    with closing(new_staging(player.game_dir, manifest)) as staging:
        fill_staging(staging, game)
        publish(
            player.game_dir,
            "aoe2",
            staging,
            manifest,
            files=[entry for entry in manifest.files if entry.path != "maps/b"],
            keep=(),
            obsolete=(),
            index=player.index,
            may_replace=True,
        )
    assert files_in(player.root) == {"version.ini": b"1", "maps/a": b"a"}


def test_a_folder_that_cannot_be_moved_whole_is_moved_by_its_parts(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_rename = os.rename

    def rename(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        # As Windows does while somebody reads a file in it.
        if S_ISDIR(os.stat(old, dir_fd=src_dir_fd, follow_symlinks=False).st_mode):
            raise PermissionError(EACCES, "a file in it is open")
        real_rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    with monkeypatch.context() as patch:
        # Not before, as a staging is made by renaming a folder.
        player.download(player.offer(NEW), on_staged=lambda: patch.setattr(os, "rename", rename))
    assert files_in(player.root) == NEW
    assert player.rescan()[1] == 0
