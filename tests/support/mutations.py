"""Damaged inputs for decoders: valid ones with bytes changed, and texts that JSON readers dread."""

from collections.abc import Sequence
from random import Random

_TOKENS = (
    b'"', b"\\", b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"{", b"}", b"[", b"]", b":", b",",
    b"\n", b"\r\n", b"\0", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xf4\x90\x80\x80",
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-", b"0", b"-1", b"1.5", b"1e999", b"9" * 20,
    b"9" * 5000, b"18446744073709551616", b"-9223372036854775809", b"..", b"../", b"/", b"=", b";",
    b"#", b"[x]", b"%00", b"\x1b[2J", b"\xe2\x80\xae", b"\xe2\x80\x8b", b"-----BEGIN", b"\x7f",
)  # fmt: skip
_MAX_CHANGES = 4


def mutated(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed in one to four places."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, _MAX_CHANGES)):
        _change(rng, data, seeds)
    return bytes(data)


def _change(rng: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    end = min(len(data), at + rng.choice((0, 1, 1, 2, 4, 16, 200)))
    match rng.randrange(8):
        case 0 if data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        case 1:
            data[at:end] = rng.randbytes(end - at)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        case 4:
            del data[at:]
        case 5:
            other = rng.choice(seeds)
            cut = rng.randint(0, len(other))
            data[at:end] = other[cut : cut + 200]
        case _:
            data[at:end] = rng.choice(_TOKENS)


def bombs(size: int) -> list[bytes]:
    """JSON and near-JSON of about `size` bytes that costs careless readers far more than that."""
    depth = size // 2
    return [
        b"[" * size,
        b"[" * depth + b"]" * depth,
        b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6),
        b"[" + b"0," * depth + b"0]",
        b"[" + b"[]," * (size // 3) + b"[]]",
        b"[" + b"{}," * (size // 3) + b"{}]",
        b'{"Games":{"games":[' + b"{}," * (size // 3) + b"{}]}}",
        b'{"ListGames":' + b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6) + b"}",
        b"{" + b",".join(b'"%x":0' % n for n in range(size // 8)) + b"}",
        b"[" + b'"",' * (size // 3) + b'""]',
        b'"' + b"\\u0041" * (size // 6) + b'"',
        b'"' + b"\\" * size,
        b'"' * size,
        b"9" * size,
        b"-" * size,
        b"1e" + b"9" * size,
        b"\n" * size,
        b"{}\n" * (size // 3),
        b" " * size,
        b"\0" * size,
        b"\xff" * size,
        b"a = [" + b"[" * size,
        b"a." * depth + b"b = 1",
        b"version=" * (size // 8),
        b"a" * size,
    ]
