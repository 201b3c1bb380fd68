"""Manifests that have the content id they claim, so that only their sense lies."""

from collections.abc import Callable

import msgspec
from blake3 import blake3

from lanspread_peer.model.limits import MAX_GAME_BYTES, MAX_MANIFEST_ENTRIES

Entry = dict[str, object]


def lines(*entries: Entry) -> bytes:
    """A manifest of these entries, canonical in form."""
    whole = [{"entries": len(entries), "lanspread_manifest": 1}, *entries]
    return b"".join(msgspec.json.encode(entry, order="sorted") + b"\n" for entry in whole)


def file(path: str, data: bytes = b"x", size: int | None = None) -> Entry:
    """The line of a file, by default with the size and hash of the data."""
    hashes = blake3(data).hexdigest()
    return {"path": path, "size": len(data) if size is None else size, "hashes": hashes}


INI = file("version.ini", b"20240229")


def forged_manifests() -> dict[str, Callable[[], bytes]]:
    """By the name of the lie; made when called, as one is large."""
    return {
        "forged-path": lambda: lines(file("../evil"), INI),
        "forged-size": lambda: lines(file("a", size=MAX_GAME_BYTES), INI),
        "forged-count": lambda: lines(
            *(file(f"f{number:06d}") for number in range(MAX_MANIFEST_ENTRIES)), INI
        ),
    }
