"""What a game says of itself: `version.ini` and `game.json`.

Both are written by strangers: they are read to a bound, and what does not fit is left out, never
cut or cleaned, so that no front end shows a text that nobody wrote.
"""

import unicodedata

import msgspec

from lanspread_peer.model.errors import StorageError
from lanspread_peer.model.game import Description
from lanspread_peer.model.limits import (
    MAX_DESCRIPTION_TEXT_BYTES,
    MAX_GAME_JSON_BYTES,
    MAX_VERSION_INI_BYTES,
)
from lanspread_peer.model.manifest import GAME_JSON, VERSION_INI
from lanspread_peer.model.version import Version, parse_version_ini
from lanspread_peer.storage import beneath
from lanspread_peer.storage.game_dir import GameDir

_MAX_YEAR = 9999
_MAX_PLAYERS = 1_000_000
# Control, format (bidi marks), surrogates and line separators: they rearrange what is around them.
_HARMFUL_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


class _GameJson(msgspec.Struct, frozen=True):
    name: str = ""
    description: str = ""
    publisher: str = ""
    release_year: int = 0
    genre: str = ""
    max_players: int = 0


def read_version(game_dir: GameDir, folder: str) -> Version:
    """The version in the game's `version.ini`, empty when it says none; raises StorageError."""
    path = f"{folder}/{VERSION_INI}"
    return parse_version_ini(beneath.read_file(game_dir.root, path, MAX_VERSION_INI_BYTES))


def read_description(game_dir: GameDir, folder: str) -> Description:
    """What the game's `game.json` says; an empty description when it is missing or wrong."""
    path = f"{folder}/{GAME_JSON}"
    try:
        content = beneath.read_file(game_dir.root, path, MAX_GAME_JSON_BYTES + 1)
    except StorageError:
        return Description()
    return parse_description(content)


def parse_description(content: bytes) -> Description:
    """A field that is too long, out of range or has control characters counts as missing."""
    if len(content) > MAX_GAME_JSON_BYTES:
        return Description()
    try:
        # Not strict: people write "1999" as well as 1999.
        raw = msgspec.json.decode(
            content.removeprefix(b"\xef\xbb\xbf"), type=_GameJson, strict=False
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Description()
    return Description(
        name=_text(raw.name),
        description=_text(raw.description),
        publisher=_text(raw.publisher),
        release_year=raw.release_year if 0 <= raw.release_year <= _MAX_YEAR else 0,
        genre=_text(raw.genre),
        max_players=raw.max_players if 0 <= raw.max_players <= _MAX_PLAYERS else 0,
    )


def _text(text: str) -> str:
    if len(text.encode("utf-8")) > MAX_DESCRIPTION_TEXT_BYTES:
        return ""
    if any(unicodedata.category(character) in _HARMFUL_CATEGORIES for character in text):
        return ""
    return text
