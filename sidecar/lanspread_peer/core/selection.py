"""The files that a download takes of a manifest."""

from collections.abc import Iterable

from lanspread_peer.model.errors import EmptySelection, PathNotInManifest
from lanspread_peer.model.manifest import VERSION_INI, FileEntry, Manifest


def select_files(manifest: Manifest, paths: Iterable[str] | None) -> tuple[FileEntry, ...]:
    """The selected files in the manifest's order; all for None; `version.ini` is always in.

    Raises EmptySelection, or PathNotInManifest for a path that is not exactly one of its files.
    """
    if paths is None:
        return manifest.files
    wanted = set(paths)
    if not wanted:
        raise EmptySelection("the selection names no file")
    for path in sorted(wanted):
        if manifest.file(path) is None:
            raise PathNotInManifest(f"no file {path!r} in this variant", path=path)
    return tuple(f for f in manifest.files if f.path in wanted or f.path == VERSION_INI)
