from collections.abc import Callable
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.moves import (
    DropFolder,
    MakeFolder,
    Move,
    MoveFolder,
    QuickStep,
    SyncFolder,
    carry_out,
)
from support.storage_folders import make_files, snapshot

STEPS: tuple[QuickStep, ...] = (
    MakeFolder("aside"),
    MakeFolder("game"),
    Move("game/a", "aside/1"),
    DropFolder("game/old"),
    DropFolder("game/full"),
    MakeFolder("game/new"),
    Move("staged/a", "game/a"),
    Move("staged/b", "game/new/b"),
    Move("game/link", "aside/2"),
    SyncFolder("game"),
    MoveFolder(
        "staged/tree",
        "game/tree",
        (
            MakeFolder("game/tree"),
            MakeFolder("game/tree/in"),
            SyncFolder("game/tree"),
            Move("staged/tree/in/c", "game/tree/in/c"),
            Move("staged/tree/d", "game/tree/d"),
        ),
    ),
    SyncFolder("game"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_files(
        tmp_path, {"game/a": b"old", "game/full/x": b"x", "staged/a": b"a", "staged/b": b"b"}
    )
    make_files(tmp_path, {"staged/tree/in/c": b"c", "staged/tree/d": b"d"})
    (tmp_path / "game/old").mkdir()
    (tmp_path / "game/link").symlink_to("nowhere")
    return tmp_path


def _stop_at(number: int, error: Exception) -> Callable[[QuickStep], None]:
    seen: list[QuickStep] = []

    def before_step(step: QuickStep) -> None:
        seen.append(step)
        if len(seen) > number:
            raise error

    return before_step


def test_all_steps_are_carried_out_in_order(root: Path) -> None:
    seen: list[QuickStep] = []
    carry_out(root, STEPS, seen.append)
    assert tuple(seen) == STEPS
    assert snapshot(root) == {
        "aside": None,
        "aside/1": b"old",
        "aside/2": "link to nowhere",
        "game": None,
        "game/a": b"a",
        "game/full": None,
        "game/full/x": b"x",
        "game/new": None,
        "game/new/b": b"b",
        "game/tree": None,
        "game/tree/d": b"d",
        "game/tree/in": None,
        "game/tree/in/c": b"c",
        "staged": None,
    }


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_whichever_step_fails_all_is_as_before(root: Path, number: int) -> None:
    before = snapshot(root)
    with pytest.raises(StorageError, match="step"):
        carry_out(root, STEPS, _stop_at(number, StorageError("step")))
    assert snapshot(root) == before


@pytest.mark.parametrize("number", [2, 8])
def test_a_move_into_a_taken_place_undoes_all_and_touches_it_not(root: Path, number: int) -> None:
    before = snapshot(root)
    step = STEPS[number]
    assert isinstance(step, Move)
    taken = root / step.new

    def before_step(step: QuickStep) -> None:
        if step == STEPS[number]:
            taken.write_bytes(b"a person's")

    with pytest.raises(StorageError) as caught:
        carry_out(root, STEPS, before_step)
    assert caught.value.metadata["errno"] == "EEXIST"
    assert snapshot(root) == {**before, "aside": None, step.new: b"a person's"}


def test_even_an_interrupt_undoes_what_was_done(root: Path) -> None:
    before = snapshot(root)

    def before_step(step: QuickStep) -> None:
        if step == STEPS[7]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(root, STEPS, before_step)
    assert snapshot(root) == before


def test_what_cannot_be_put_back_is_named_and_the_rest_is_put_back(root: Path) -> None:
    def before_step(step: QuickStep) -> None:
        if step == STEPS[8]:
            (root / "staged/b").write_bytes(b"in the way")
            raise StorageError("step")

    with pytest.raises(StorageError) as caught:
        carry_out(root, STEPS, before_step)
    assert caught.value.metadata["left"] == "game/new/b"
    assert (root / "game/new/b").read_bytes() == b"b"
    assert (root / "game/a").read_bytes() == b"old"
    assert (root / "staged/b").read_bytes() == b"in the way"
