"""Salvage: chunks that are on disk although no record names them.

A kill loses no byte that was written, only the word that it is right. Reading a whole staging
again would take longer than the few chunks are worth, so only what the file system calls data is
read, and a chunk counts only if it lies wholly in data and its hash is right.
"""

from collections.abc import Callable, Iterable, Iterator

from lanspread_peer.model.limits import MIB
from lanspread_peer.model.manifest import Chunk, chunk_hash
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.positional_file import PositionalFile
from lanspread_peer.storage.scratch import new_scratch_path
from lanspread_peer.storage.sparse import set_size


def tells_holes(game_dir: GameDir) -> bool:
    """Whether the file system tells data from holes; raises StorageError.

    Many say of any file that it has no hole: asked of a file that is nothing else, they are known.
    """
    path = new_scratch_path(game_dir)
    descriptor = beneath.open_file(game_dir.root, path, create=True)
    file = PositionalFile(descriptor)
    try:
        with disk_errors("look for holes"):
            set_size(descriptor, MIB)
            return file.data_range(0) is None
    finally:
        file.close()
        beneath.remove_file(game_dir.root, path)


def find_chunks(
    file: PositionalFile, chunks: Iterable[Chunk], is_cancelled: Callable[[], bool]
) -> Iterator[tuple[Chunk, memoryview]]:
    """Those of a file's `chunks`, in order, that the file has, and their bytes.

    Raises StorageError.
    """
    start = end = 0
    for chunk in chunks:
        if is_cancelled():
            return
        if end <= chunk.offset:
            extent = _data_range(file, chunk)
            if extent is None:
                return
            start, end = extent
        if start <= chunk.offset and chunk.offset + chunk.length <= end:
            with disk_errors(f"read {chunk.file.path!a}"):
                data = file.read(chunk.offset, chunk.length)
            if chunk_hash(data) == chunk.hash:
                yield chunk, memoryview(data)


def _data_range(file: PositionalFile, chunk: Chunk) -> tuple[int, int] | None:
    with disk_errors(f"look for holes in {chunk.file.path!a}"):
        return file.data_range(chunk.offset)
