"""Values that tests need again and again, made from small numbers."""

from hashlib import sha256

from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import ContentId, GameId, InstanceId, PeerId, peer_id_of_key
from lanspread_peer.model.peer import Address
from lanspread_peer.model.version import Version


def peer_id(number: int) -> PeerId:
    """The id of the peer with this number."""
    return peer_id_of_key(b"key %d" % number)


def content_id(number: int) -> ContentId:
    """The id of the content with this number."""
    return ContentId(sha256(b"content %d" % number).hexdigest())


def instance_id(number: int) -> InstanceId:
    """The id of the launch with this number."""
    return InstanceId(f"{number:032x}")


def address(number: int) -> Address:
    """An address of the local network."""
    return Address(f"192.168.{number // 250}.{number % 250 + 1}", 26789)


def summary(
    game_id: str = "aoe2", *, content: int = 1, version: str = "20240229", name: str = ""
) -> GameSummary:
    """A game as a peer offers it."""
    return GameSummary(GameId(game_id), Version(version), content_id(content), 1000, 3, name)
