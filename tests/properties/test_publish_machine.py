"""Downloads, a person's edits, kills in any step of publish and recovery, and starts, in any order.

The model knows the game that was published last, and what a person has put there. A kill is a copy
of the folder as it was before a step, in which life goes on.
"""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.recovery import Outcome, recover
from support.cuts import Cuts
from support.long_form import long_form
from support.player import files_in, open_player
from support.storage_folders import make_files

PATHS = ("version.ini", "a.eti", "data/b", "data/c", "Data2/d", "more/deep/e")
CONTENTS = st.dictionaries(
    st.sampled_from(PATHS[1:]), st.sampled_from([b"", b"one", b"two"]), max_size=4
)


class PublishMachine(RuleBasedStateMachine):
    """One game folder over many launches."""

    def __init__(self) -> None:
        super().__init__()
        self._cleanup = ExitStack()
        self._root = Path(tempfile.mkdtemp())
        self._cleanup.callback(shutil.rmtree, self._root)
        self._player = self._cleanup.enter_context(open_player(self._root))
        # As on a disk that is copied: a kill goes on in a copy.
        self._player.game_dir = GameDir(self._player.game_dir.root, has_stable_inodes=False)
        self._versions = 0
        self._edits = 0
        self._cuts = 0
        # The wholes that the game may be now: more than one between a kill and the next start.
        self._wholes: list[dict[str, bytes]] = [{}]
        self._mine: set[bytes] = set()
        # What a person has changed or removed since the game was last whole.
        self._touched: set[str] = set()
        self._is_cut = False

    def teardown(self) -> None:
        self._cleanup.close()

    @initialize(content=CONTENTS)
    def first_download(self, content: dict[str, bytes]) -> None:
        self.download(content)

    @precondition(lambda self: not self._is_cut)
    @rule(content=CONTENTS)
    def download(self, content: dict[str, bytes]) -> None:
        """All goes well."""
        self._publish(content, None)

    @precondition(lambda self: not self._is_cut)
    @rule(content=CONTENTS, step=st.integers(0, 60))
    def download_and_kill(self, content: dict[str, bytes], step: int) -> None:
        """A kill before that step, if there are so many."""
        self._publish(content, step)

    @rule(path=st.sampled_from([*PATHS[1:], "save", "data/save", "more"]))
    def edit(self, path: str) -> None:
        """A person puts a file there, or changes one, unless a folder has the name."""
        place = self._player.root / path
        if place.is_dir() or any(each.is_file() for each in place.parents):
            return
        self._forget(place)
        self._touched.add(path)
        self._edits += 1
        content = b"mine %d" % self._edits
        self._mine.add(content)
        make_files(self._player.root, {path: content})

    @rule(path=st.sampled_from(PATHS))
    def remove(self, path: str) -> None:
        """A person removes a file; the game is then whatever is left."""
        place = self._player.root / path
        if place.is_file():
            self._forget(place)
            self._touched.add(path)
            place.unlink()

    @precondition(lambda self: self._is_cut)
    @rule(step=st.integers(0, 60))
    def start_and_kill(self, step: int) -> None:
        """A kill in the middle of recovery."""
        cuts = self._cuts_at(step)
        recover(self._player.game_dir, self._player.index, before_step=cuts)
        if step in cuts.taken:
            self._go_on_in(cuts.taken[step])
        else:
            self._is_cut = False

    @rule()
    def start(self) -> None:
        """Recovery goes well, and finds nothing the second time."""
        recovered = recover(self._player.game_dir, self._player.index)
        assert all(each.outcome is not Outcome.STUCK for each in recovered)
        assert recover(self._player.game_dir, self._player.index) == []
        self._is_cut = False

    @invariant()
    def nothing_of_a_persons_is_lost(self) -> None:
        there = set(files_in(self._player.game_dir.root).values())
        assert self._mine <= there

    @invariant()
    def the_game_is_whole(self) -> None:
        if self._is_cut:
            return
        there = self._of_the_game()
        fitting = [whole for whole in self._wholes if self._is(whole, there)]
        assert fitting, (there, self._wholes, self._touched)
        self._wholes = fitting[:1]
        own = self._player.game_dir.own
        for folder in ("journal", "displaced"):
            assert not (own / folder).exists() or not list((own / folder).iterdir())

    def _publish(self, content: dict[str, bytes], step: int | None) -> None:
        self._versions += 1
        # Contents by version, so that a mixture of two is seen.
        version = b"%d" % self._versions
        new = {path: version + each if each else b"" for path, each in content.items()}
        new["version.ini"] = version
        if self._player.root.exists() and (self._player.root / "version.ini").exists():
            self._player.rescan()
        old = self._of_the_game()
        cuts = self._cuts_at(step)
        self._player.download(self._player.offer(new), before_named=cuts)
        if step is not None and step in cuts.taken:
            self._wholes = [old, new]
            self._go_on_in(cuts.taken[step])
        else:
            self._wholes, self._touched = [new], set()

    def _of_the_game(self) -> dict[str, bytes]:
        return {
            path: content
            for path, content in files_in(self._player.root).items()
            if isinstance(content, bytes) and content not in self._mine
        }

    def _is(self, whole: dict[str, bytes], there: dict[str, bytes]) -> bool:
        is_untouched = whole.keys() - there.keys() <= self._touched
        return is_untouched and there.items() <= whole.items()

    def _cuts_at(self, step: int | None) -> Cuts:
        self._cuts += 1
        copies = self._root / "cuts" / str(self._cuts)
        return Cuts(self._player.game_dir.root, copies, lambda number: number == step)

    def _go_on_in(self, copy: Path) -> None:
        shutil.rmtree(self._player.game_dir.root)
        copy.rename(self._player.game_dir.root)
        self._is_cut = True

    def _forget(self, place: Path) -> None:
        """What a person himself overwrites or removes."""
        if place.is_file():
            self._mine.discard(place.read_bytes())


@pytest.mark.scales
def test_kills_edits_and_starts_in_any_order_lose_nothing() -> None:
    PublishMachine.TestCase.settings = settings(
        max_examples=long_form(short=8, long=400), stateful_step_count=20, derandomize=True
    )
    PublishMachine.TestCase("runTest").runTest()
