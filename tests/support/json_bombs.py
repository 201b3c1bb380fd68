"""Bytes that claim to be messages and mean to cost whoever decodes them."""


def json_bombs(size: int) -> list[bytes]:
    """Bombs of about `size` bytes each."""
    return [
        b"[" * size,
        b'{"a":' * (size // 5),
        b'{"Games":{"digest":"","games":[' + b"0," * (size // 2 - 20) + b"0]}}",
        b'{"Games":{"digest":"","games":[' + b"[]," * (size // 3 - 20) + b"[]]}}",
        b'{"Games":{"digest":"","games":[' + b"{}," * (size // 3 - 20) + b"{}]}}",
        b'{"GetGame":{"id":' + b"9" * (size - 20) + b"}}",
        b'{"GetGame":{' + b'"id":"a",' * (size // 9 - 4) + b'"id":"a"}}',
        b'{"GetGame":{' + b'"":1,' * (size // 5 - 4) + b'"id":"a"}}',
        b'{"Pong":{"library_digest":"' + b"\\u0000" * (size // 6 - 6) + b'"}}',
        b'"' + b"x" * (size - 2) + b'"',
        b'"' * size,
        b'{"Ping":' + b" " * (size - 20) + b"1e999}",
        b"\xff" * size,
    ]
