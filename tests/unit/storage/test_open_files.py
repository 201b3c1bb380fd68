import os
from pathlib import Path

import pytest

from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage.open_files import OpenFiles
from support.storage_folders import open_descriptors


class _Opener:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.opened: list[str] = []

    def __call__(self, path: str) -> int:
        self.opened.append(path)
        return os.open(self._root / path, os.O_RDWR | os.O_CREAT)


def test_the_least_recently_used_file_makes_room(tmp_path: Path) -> None:
    before = open_descriptors()
    opener = _Opener(tmp_path)
    files = OpenFiles(opener, 2)
    for path in ("a", "b", "a", "c", "a", "b"):
        with files.use(path) as file:
            file.write(path.encode(), 0)
        assert open_descriptors() <= before + 2
    assert opener.opened == ["a", "b", "c", "b"]
    files.close()
    assert open_descriptors() <= before


def test_a_file_in_use_is_never_closed(tmp_path: Path) -> None:
    opener = _Opener(tmp_path)
    files = OpenFiles(opener, 1)
    with files.use("a") as outer, files.use("b"), files.use("c"):
        outer.write(b"still open", 0)
    with files.use("d"), files.use("d"):
        pass
    assert opener.opened == ["a", "b", "c", "d"]
    files.close()
    assert (tmp_path / "a").read_bytes() == b"still open"


def test_a_file_that_cannot_be_opened_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(path: str) -> int:
        raise StorageError(path)

    files = OpenFiles(refuse, 1)
    for _ in range(2):
        with pytest.raises(StorageError), files.use("a"):
            pass
    files.close()
