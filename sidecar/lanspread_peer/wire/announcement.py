"""The mDNS announcement: the TXT record of `_lanspread._udp.local.` (design section 5).

It never changes while a sidecar runs. Everything in it is a hint from a stranger.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lanspread_peer.model.errors import InvalidField, MalformedMessage
from lanspread_peer.model.ids import InstanceId, PeerId, parse_instance_id, parse_peer_id

SERVICE_TYPE = "_lanspread._udp.local."


@dataclass(frozen=True, slots=True)
class Announcement:
    """Who announces, which launch of it, the protocol it speaks, and its QUIC port."""

    peer_id: PeerId
    instance: InstanceId
    protocol: int
    port: int

    @property
    def service_name(self) -> str:
        """The full instance name: the random id of this launch, so that no two ever collide."""
        return f"{self.instance}.{SERVICE_TYPE}"


def encode_txt(announcement: Announcement) -> dict[str, str]:
    """The TXT record's keys and values."""
    return {
        "id": announcement.peer_id,
        "in": announcement.instance,
        "v": str(announcement.protocol),
        "port": str(announcement.port),
    }


def decode_txt(txt: Mapping[bytes, bytes | None]) -> Announcement:
    """The announcement in a TXT record; raises MalformedMessage."""
    try:
        fields = {key: (txt.get(key.encode()) or b"").decode("ascii") for key in _KEYS}
        peer_id = parse_peer_id(fields["id"])
        instance = parse_instance_id(fields["in"])
    except (UnicodeDecodeError, InvalidField) as error:
        raise MalformedMessage(f"mDNS TXT record: {error}") from error
    port = _bounded_number(fields["port"], 1, 65535)
    return Announcement(peer_id, instance, _bounded_number(fields["v"], 0, 1_000_000), port)


_KEYS = ("id", "in", "v", "port")


def _bounded_number(text: str, low: int, high: int) -> int:
    if not text.isdigit() or len(text) > 7 or not low <= int(text) <= high:
        raise MalformedMessage(f"mDNS TXT record: expected a number from {low} to {high}")
    return int(text)
