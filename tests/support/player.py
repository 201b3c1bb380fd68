"""A player who downloads games from a source, all on one real disk, through storage alone."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.moves import QuickStep
from lanspread_peer.storage.publish import PublishResult, publish
from lanspread_peer.storage.publish_steps import BeforeStep, PublishStep, ignore_step
from lanspread_peer.storage.records import already_right, obsolete_files
from support.stagings import new_staging
from support.storage_folders import (
    fill_staging,
    index_game,
    make_files,
    make_game_dir,
    open_descriptors,
    snapshot,
)

OLD: Mapping[str, bytes] = {
    "version.ini": b"1",
    "game.eti": b"old" * 1000,
    "same.pak": b"same",
    "data/changed": b"old",
    "dropped/deep/gone": b"gone",
    "dropped/gone": b"gone",
}
NEW: Mapping[str, bytes] = {
    "version.ini": b"2",
    "game.eti": b"new" * 1000,
    "same.pak": b"same",
    "data/changed": b"new",
    "data/more/added": b"added",
    "run.sh": b"#!/bin/sh\n",
}


@dataclass
class Player:
    """A player's game folder, and the source it downloads from."""

    game_dir: GameDir
    index: Index
    source: GameDir
    source_index: Index
    downloads: int = 0

    @property
    def root(self) -> Path:
        return self.game_dir.root / "aoe2"

    def offer(self, files: Mapping[str, bytes]) -> IndexedGame:
        shutil.rmtree(self.source.root / "aoe2", ignore_errors=True)
        make_files(self.source.root / "aoe2", files)
        return index_game(self.source, "aoe2", self.source_index)[0]

    def download(
        self,
        game: IndexedGame,
        *,
        select: Collection[str] | None = None,
        before_step: Callable[[QuickStep], None] = lambda _: None,
        before_named: BeforeStep = ignore_step,
        on_staged: Callable[[], None] = lambda: None,
    ) -> PublishResult:
        """As runtime does it: what is right stays, the rest is fetched and published.

        `on_staged` is called before it is published.
        """

        def tell(name: PublishStep, step: QuickStep | None) -> None:
            before_named(name, step)
            if step is not None:
                before_step(step)

        self.downloads += 1
        manifest = game.manifest
        wanted = [f for f in manifest.files if select is None or f.path in select]
        right = already_right(self.game_dir, "aoe2", manifest, self.index)
        files = [entry for entry in wanted if entry.path not in right]
        staging = new_staging(self.game_dir, manifest, f"d{self.downloads}", files=files)
        try:
            fill_staging(staging, game)
            on_staged()
            return publish(
                self.game_dir,
                "aoe2",
                staging,
                manifest,
                files=files,
                keep=right.intersection(entry.path for entry in wanted),
                obsolete=obsolete_files(self.game_dir, "aoe2", manifest, self.index),
                index=self.index,
                may_replace=True,
                before_step=tell,
            )
        finally:
            staging.discard()

    def rescan(self) -> tuple[IndexedGame, int]:
        return index_game(self.game_dir, "aoe2", self.index)


def files_in(root: Path) -> dict[str, bytes | str]:
    """The files and links below a folder, without the folders."""
    return {path: content for path, content in snapshot(root).items() if content is not None}


@contextmanager
def open_player(root: Path) -> Iterator[Player]:
    """A player with nothing yet; fails when it leaves a file open.

    Syncs do nothing meanwhile: they take most of the time, and only a power cut would show it.
    """
    before = open_descriptors()
    (root / "source-state").mkdir()
    player = Player(
        make_game_dir(root / "games", {}),
        Index(root),
        make_game_dir(root / "source", {}),
        Index(root / "source-state"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield player
    player.index.close()
    player.source_index.close()
    assert open_descriptors() <= before
