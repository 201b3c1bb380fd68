"""Sets of chunks as text: a bitmap in base64, its bit 0 first, and the last byte filled up with 0.

A set is an integer whose bit n stands for chunk n, as everywhere.
"""

import binascii

from lanspread_peer.model.errors import MalformedMessage


def encode_bitmap(chunks: int, count: int) -> str:
    """The set, which holds none but the first `count` chunks."""
    bitmap = chunks.to_bytes(_bytes_for(count), "little")
    return binascii.b2a_base64(bitmap, newline=False).decode("ascii")


def decode_bitmap(text: str | bytes, count: int) -> int:
    """The set in `text`; raises MalformedMessage when it holds others than the first `count`."""
    if len(text) > bitmap_characters(count):
        raise MalformedMessage(f"expected a bitmap of at most {count} chunks")
    try:
        bitmap = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MalformedMessage(f"expected a bitmap in base64: {error}") from error
    chunks = int.from_bytes(bitmap, "little")
    if chunks >> count:
        raise MalformedMessage(f"expected none but the first {count} chunks")
    return chunks


def bitmap_characters(count: int) -> int:
    """How long the bitmap of so many chunks is."""
    return (_bytes_for(count) + 2) // 3 * 4


def _bytes_for(count: int) -> int:
    return (count + 7) // 8
