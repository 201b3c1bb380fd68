"""The folder of one staging on disk, for whoever has not opened it: reading and removing it."""

from lanspread_peer.model.download import StagedDownload
from lanspread_peer.model.errors import IntegrityError, PeerProtocolError, StorageError
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_MANIFEST_BYTES, MAX_STAGED_JSON_BYTES
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import STAGING_FOLDER, GameDir
from lanspread_peer.storage.journal import has_journal
from lanspread_peer.storage.scratch import bury
from lanspread_peer.storage.staged_json import decode_staged, is_staging_name
from lanspread_peer.wire.manifest_codec import decode_manifest


def staging_path(name: str) -> str:
    """Where the staging of that name is, below the game folder."""
    return f"{STAGING_FOLDER}/{name}"


def remove_staging(game_dir: GameDir, name: str) -> None:
    """Remove what is in the place of a staging that no download uses.

    `name` may be any that a disk has. Raises StorageError when the disk refuses, or a publish that
    is not ended needs it.
    """
    if "/" in name or not name:
        raise StorageError(f"{name!a} is no name of a staging", errno="EINVAL")
    if has_journal(game_dir, name):
        raise StorageError(f"the publish of {name!a} is not ended", errno="EBUSY")
    bury(game_dir, staging_path(name))


def read_staged(game_dir: GameDir, name: str) -> StagedDownload:
    """What a staging is for; raises IntegrityError or StorageError."""
    if not is_staging_name(name):
        raise StorageError(f"{name!a} is no name for staging", errno="EINVAL")
    path = f"{staging_path(name)}/download.json"
    return decode_staged(beneath.read_file(game_dir.root, path, MAX_STAGED_JSON_BYTES + 1))


def read_staged_manifest(game_dir: GameDir, name: str, content_id: ContentId) -> Manifest:
    """The manifest of a staging for that content; raises IntegrityError or StorageError."""
    path = f"{staging_path(name)}/manifest"
    data = beneath.read_file(game_dir.root, path, MAX_MANIFEST_BYTES + 1)
    try:
        return decode_manifest(data, content_id)
    except PeerProtocolError as error:
        raise IntegrityError(f"the manifest of {name!a}: {error.message}") from error
