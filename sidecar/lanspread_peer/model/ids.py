"""Identifiers: parsed once at the edge, plain strings inside.

A game id is the name of the game's folder. Two ids are one game when they are equal by NFC and
case folding, because a folder may travel between systems that disagree about both; `GameKey` is
the folded form and the only thing that dictionaries are keyed by.
"""

import re
import unicodedata
from base64 import b32encode
from hashlib import sha256
from typing import NewType

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.limits import MAX_GAME_ID_BYTES
from lanspread_peer.model.paths import path_fault

PeerId = NewType("PeerId", str)
InstanceId = NewType("InstanceId", str)
GameId = NewType("GameId", str)
GameKey = NewType("GameKey", str)
ContentId = NewType("ContentId", str)
DownloadId = NewType("DownloadId", str)
VerificationId = NewType("VerificationId", str)

_PEER_ID = re.compile(r"[a-z2-7]{52}")
_CONTENT_ID = re.compile(r"[0-9a-f]{64}")
_INSTANCE_ID = re.compile(r"[0-9a-f]{32}")


def peer_id_of_key(spki_der: bytes) -> PeerId:
    """The peer id of a public key in SubjectPublicKeyInfo DER form."""
    return PeerId(b32encode(sha256(spki_der).digest()).decode("ascii").rstrip("=").lower())


def parse_peer_id(text: str) -> PeerId:
    """Raises InvalidField unless `text` is 52 characters of lower-case base32."""
    if not _PEER_ID.fullmatch(text):
        raise InvalidField("peer_id", "52 characters of lower-case base32", text[:80])
    return PeerId(text)


def parse_content_id(text: str) -> ContentId:
    """Raises InvalidField unless `text` is 64 lower-case hex digits."""
    if not _CONTENT_ID.fullmatch(text):
        raise InvalidField("content_id", "64 lower-case hex digits", text[:80])
    return ContentId(text)


def parse_instance_id(text: str) -> InstanceId:
    """Raises InvalidField unless `text` is 32 lower-case hex digits."""
    if not _INSTANCE_ID.fullmatch(text):
        raise InvalidField("instance", "32 lower-case hex digits", text[:80])
    return InstanceId(text)


def parse_game_id(text: str) -> GameId:
    """The NFC form of a folder name that every system can hold; raises InvalidField."""
    if len(text.encode("utf-8", "replace")) > MAX_GAME_ID_BYTES:
        raise InvalidField("game_id", f"at most {MAX_GAME_ID_BYTES} bytes")
    normal = unicodedata.normalize("NFC", text)
    fault = "a single name, not a path" if "/" in normal else path_fault(normal)
    if fault or unicodedata.normalize("NFKC", normal).startswith("."):
        raise InvalidField("game_id", fault or "a name that does not start with a dot", text[:80])
    return GameId(normal)


def game_key(game_id: str) -> GameKey:
    """The form under which equal game ids are equal strings."""
    folded = unicodedata.normalize("NFC", game_id).casefold()
    return GameKey(unicodedata.normalize("NFC", folded))
