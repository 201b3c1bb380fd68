"""`download.json`: what a staging is for, on disk.

It is read after a crash, and another user of this PC may have written it, so every field must be
one that we could have written.
"""

import math

import msgspec

from lanspread_peer.model.download import StagedDownload, StagedState
from lanspread_peer.model.errors import IntegrityError, InvalidField
from lanspread_peer.model.ids import DownloadId, game_key, parse_content_id, parse_game_id
from lanspread_peer.model.limits import (
    MAX_ID_CHARACTERS,
    MAX_MANIFEST_ENTRIES,
    MAX_STAGED_JSON_BYTES,
    MAX_VERSION_BYTES,
)
from lanspread_peer.model.paths import path_fault
from lanspread_peer.model.version import Version

_FORMAT = 1
# The end of the year 9999: a date that every front end can show.
_MAX_UNIX_S = 253_402_300_799


class _StagedJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lanspread_staging: int
    id: str
    game_id: str
    folder: str
    content_id: str
    version: str
    paths: tuple[str, ...] | None
    replaces: str | None
    request_id: str
    started_at_unix_s: float
    state: StagedState


_decoder = msgspec.json.Decoder(_StagedJson)
_encoder = msgspec.json.Encoder()


def encode_staged(staged: StagedDownload) -> bytes:
    """The bytes of `download.json`; raises IntegrityError for what could not be read again."""
    data = _encoder.encode(
        _StagedJson(
            lanspread_staging=_FORMAT,
            id=staged.id,
            game_id=staged.game_id,
            folder=staged.folder,
            content_id=staged.content_id,
            version=staged.version,
            paths=staged.paths,
            replaces=staged.replaces,
            request_id=staged.request_id,
            started_at_unix_s=staged.started_at_unix_s,
            state=staged.state,
        )
    )
    decode_staged(data)
    return data


def decode_staged(data: bytes) -> StagedDownload:
    """What the bytes say; raises IntegrityError when they are not such as we write."""
    if len(data) > MAX_STAGED_JSON_BYTES:
        raise IntegrityError(f"download.json: expected at most {MAX_STAGED_JSON_BYTES} bytes")
    try:
        raw = _decoder.decode(data)
        fault = _fault(raw)
        if fault:
            raise IntegrityError(f"download.json: expected {fault}")
        content_id = parse_content_id(raw.content_id)
        replaces = None if raw.replaces is None else parse_content_id(raw.replaces)
        game_id = parse_game_id(raw.game_id)
    except (msgspec.DecodeError, UnicodeError, RecursionError, InvalidField) as error:
        raise IntegrityError(f"download.json: {error}") from error
    return StagedDownload(
        id=DownloadId(raw.id),
        game_id=game_id,
        folder=raw.folder,
        content_id=content_id,
        version=Version(raw.version),
        replaces=replaces,
        paths=raw.paths,
        request_id=raw.request_id,
        started_at_unix_s=raw.started_at_unix_s,
        state=raw.state,
    )


def is_staging_name(name: str) -> bool:
    """Whether this can be the name of a staging: one part that every system can hold."""
    return len(name) <= MAX_ID_CHARACTERS and is_folder_name(name)


def is_folder_name(name: str) -> bool:
    """Whether this can be the name of a game's folder."""
    try:
        return bool(parse_game_id(name))
    except InvalidField:
        return False


def _fault(raw: _StagedJson) -> str:
    """What `raw` should have had."""
    if raw.lanspread_staging != _FORMAT:
        return f"format {_FORMAT}"
    if not is_staging_name(raw.id):
        return "an id that is a file name"
    if len(raw.request_id.encode("utf-8")) > 4 * MAX_ID_CHARACTERS:
        return f"a request id of at most {MAX_ID_CHARACTERS} characters"
    if not is_folder_name(raw.folder) or game_key(raw.folder) != game_key(raw.game_id):
        return "a folder that is the game's"
    if len(raw.version.encode("utf-8")) > MAX_VERSION_BYTES or not raw.version.isprintable():
        return "a printable version"
    if not math.isfinite(raw.started_at_unix_s) or not 0 <= raw.started_at_unix_s <= _MAX_UNIX_S:
        return "a time that a clock could have shown"
    return _paths_fault(raw.paths or ())


def _paths_fault(paths: tuple[str, ...]) -> str:
    if len(paths) > MAX_MANIFEST_ENTRIES:
        return f"at most {MAX_MANIFEST_ENTRIES} paths"
    return next(filter(None, map(path_fault, paths)), "")
