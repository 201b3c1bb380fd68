"""A selection takes exactly the files it names, and version.ini."""

import pytest

from lanspread_peer.core.selection import select_files
from lanspread_peer.model.errors import EmptySelection, PathNotInManifest
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath

MANIFEST = Manifest(
    (SafeRelPath("data"),),
    tuple(FileEntry(SafeRelPath(path), 0, b"") for path in ("a", "data/b", "version.ini")),
)


def selected(paths: list[str] | None) -> list[str]:
    return [entry.path for entry in select_files(MANIFEST, paths)]


def test_no_selection_takes_all() -> None:
    assert selected(None) == ["a", "data/b", "version.ini"]


def test_version_ini_is_always_in() -> None:
    assert selected(["data/b"]) == ["data/b", "version.ini"]
    assert selected(["version.ini"]) == ["version.ini"]


def test_an_empty_selection_is_refused() -> None:
    with pytest.raises(EmptySelection):
        select_files(MANIFEST, [])


@pytest.mark.parametrize("path", ["data", "A", "../a", "data/b/", ""])
def test_a_path_that_is_no_file_of_the_manifest_is_refused(path: str) -> None:
    with pytest.raises(PathNotInManifest) as caught:
        select_files(MANIFEST, ["a", path])
    assert caught.value.metadata == {"path": path}
