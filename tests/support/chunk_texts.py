"""Bitmaps of chunks and availabilities, and their reading, for a content of 100 chunks."""

from lanspread_peer.wire.availability import AvailabilityReader, encode_added, encode_held
from lanspread_peer.wire.chunk_bitmap import decode_bitmap, encode_bitmap

_COUNT = 100
AVAILABILITIES = (
    encode_held(0b1001, _COUNT) + b"\n" + b"".join(encode_added([(5, 5), (12, 1), (60, 40)])),
    encode_held(0, _COUNT),
)
WANTED = (encode_bitmap(1, _COUNT).encode(), encode_bitmap((1 << _COUNT) - 1, _COUNT).encode())


def read_availability(data: bytes) -> None:
    """Read it as it comes."""
    reader = AvailabilityReader(_COUNT)
    for start in range(0, len(data), 7):
        reader.add(data[start : start + 7])


def read_wanted(data: bytes) -> int:
    """The chunks in a request."""
    return decode_bitmap(data, _COUNT)
