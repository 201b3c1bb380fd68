"""Stagings for tests of storage: what they are for does not matter there."""

from collections.abc import Mapping, Sequence

from lanspread_peer.model.download import StagedDownload, StagedState
from lanspread_peer.model.ids import DownloadId, GameId
from lanspread_peer.model.manifest import FileEntry, Manifest, chunk_hash, chunk_size_of
from lanspread_peer.model.paths import SafeRelPath, parent_of
from lanspread_peer.model.version import Version
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.staging import Staging
from lanspread_peer.storage.stagings import FoundStaging, look_at_staging, staging_names
from lanspread_peer.wire.manifest_codec import content_id_of, encode_manifest


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a game with these files."""
    entries = []
    for path, content in sorted(files.items(), key=lambda item: item[0].encode()):
        size = chunk_size_of(len(content))
        chunks = (content[start : start + size] for start in range(0, len(content), size))
        entries.append(
            FileEntry(SafeRelPath(path), len(content), b"".join(map(chunk_hash, chunks)))
        )
    folders: set[SafeRelPath] = set()
    for entry in entries:
        parent = parent_of(entry.path)
        while parent is not None:
            folders.add(parent)
            parent = parent_of(parent)
    return Manifest(tuple(sorted(folders, key=lambda path: path.encode())), tuple(entries))


def chunk_data(manifest: Manifest, files: Mapping[str, bytes], number: int) -> memoryview:
    """The right bytes of a chunk."""
    chunk = manifest.chunk(number)
    return memoryview(files[chunk.file.path])[chunk.offset : chunk.offset + chunk.length]


def staged_for(manifest: Manifest, name: str = "d1", folder: str = "aoe2") -> StagedDownload:
    """A download of all files of the manifest."""
    return StagedDownload(
        id=DownloadId(name),
        game_id=GameId(folder),
        folder=folder,
        content_id=content_id_of(encode_manifest(manifest)),
        version=Version("20240229"),
        paths=None,
        replaces=None,
        request_id="",
        started_at_unix_s=1_700_000_000.5,
        state=StagedState.ACTIVE,
    )


def new_staging(
    game_dir: GameDir,
    manifest: Manifest,
    name: str = "d1",
    *,
    files: Sequence[FileEntry] | None = None,
) -> Staging:
    """A staging with these files prepared, by default with all."""
    staging = Staging.create(game_dir, staged_for(manifest, name), manifest)
    staging.prepare(manifest.files if files is None else files)
    return staging


def read_stagings(game_dir: GameDir) -> list[FoundStaging]:
    """All about all stagings."""
    return [look_at_staging(game_dir, name) for name in staging_names(game_dir)]
