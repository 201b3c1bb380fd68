"""The blocked peers: whom this sidecar has nothing to do with, kept over restarts.

`blocked` in the state folder has one peer id per line, readable by its owner alone. A line that is
no peer id is passed over, so that a damaged file never keeps the sidecar from starting.
"""

from collections.abc import Iterable
from pathlib import Path

from lanspread_peer.model.errors import InvalidField, StorageError
from lanspread_peer.model.ids import PeerId, parse_peer_id
from lanspread_peer.model.limits import MAX_BLOCKED_PEERS, MAX_STATE_FILE_BYTES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.disk_errors import is_missing

_FILE = "blocked"


def read_blocked(state_dir: Path) -> frozenset[PeerId]:
    """At most MAX_BLOCKED_PEERS of them; none without the file. Raises StorageError."""
    try:
        data = beneath.read_file(state_dir, _FILE, MAX_STATE_FILE_BYTES)
    except StorageError as error:
        if is_missing(error):
            return frozenset()
        raise
    found = [peer for line in data.decode("ascii", "replace").splitlines() for peer in _ids(line)]
    return frozenset(found[:MAX_BLOCKED_PEERS])


def write_blocked(state_dir: Path, peers: Iterable[PeerId]) -> None:
    """Write the file, in place of any older one; raises StorageError."""
    data = "".join(f"{peer}\n" for peer in sorted(peers)).encode("ascii")
    beneath.write_file(state_dir, _FILE, data, mode=beneath.PRIVATE_MODE)


def _ids(line: str) -> list[PeerId]:
    try:
        return [parse_peer_id(line)]
    except InvalidField:
        return []
