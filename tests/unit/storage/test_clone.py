from pathlib import Path

from lanspread_peer.storage.clone import clone_range
from support.storage_folders import make_files


def test_a_clone_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    make_files(tmp_path, {"a": b"x" * 10, "b": b""})
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("rb") as target:
        assert not clone_range(source.fileno(), 0, target.fileno(), 0, 10)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("r+b") as target:
        assert not clone_range(source.fileno(), 5, target.fileno(), 0, 10)
