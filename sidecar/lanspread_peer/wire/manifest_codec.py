"""Manifests to their canonical bytes and back (design section 4).

JSON lines in UTF-8, keys sorted, no spaces, integers only, each line ended by a line feed:
a header `{"entries":N,"lanspread_manifest":1}`, then one line per directory, `{"path":"a"}`, and
per file, `{"hashes":"<hex>","path":"a/b","size":1}`, all together in UTF-8 byte order of their
paths. The content id is the BLAKE3 of these bytes. Received bytes must equal their re-encoding.
"""

from collections.abc import Iterator
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec
from blake3 import blake3

from lanspread_peer.model.errors import InvalidManifest
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_MANIFEST_BYTES, MAX_MANIFEST_ENTRIES
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath, parse_path

FORMAT = 1

_T = TypeVar("_T")


class _Header(msgspec.Struct, frozen=True):
    entries: int
    lanspread_manifest: int


class _Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    # In the order of the alphabet, which is the order of encoding.
    hashes: str | None = None
    path: str
    size: int | None = None


_header_decoder = msgspec.json.Decoder(_Header)
_line_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()
# A download reads its manifest at each of its steps, so one that is in use is not decoded again.
_in_use: WeakValueDictionary[ContentId, Manifest] = WeakValueDictionary()


def encode_manifest(manifest: Manifest) -> bytes:
    """The canonical bytes of a manifest."""
    lines = [_Line(path=path) for path in manifest.directories]
    lines += [_Line(hashes=f.hashes.hex(), path=f.path, size=f.size) for f in manifest.files]
    lines.sort(key=lambda line: line.path.encode("utf-8"))
    header = _Header(entries=len(lines), lanspread_manifest=FORMAT)
    return b"".join(_encoder.encode(line) + b"\n" for line in (header, *lines))


def content_id_of(data: bytes) -> ContentId:
    """The content id of a manifest's bytes."""
    return ContentId(blake3(data).hexdigest())


def decode_manifest(data: bytes, content_id: ContentId) -> Manifest:
    """The manifest in `data`, checked against its id; raises InvalidManifest or UnsafePath.

    Takes about a second for the largest one allowed, unless somebody holds it: call it in a thread.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"expected at most {MAX_MANIFEST_BYTES} bytes, got {len(data)}")
    if content_id_of(data) != content_id:
        raise InvalidManifest("the bytes are not those of the content id", content_id=content_id)
    # The id is that of these very bytes, which were right then.
    manifest = _in_use.get(content_id)
    if manifest is None:
        manifest = _in_use[content_id] = _decode(data)
    return manifest


def _decode(data: bytes) -> Manifest:
    directories: list[SafeRelPath] = []
    files: list[FileEntry] = []
    for line in _canonical_lines(data):
        path = parse_path(line.path)
        if line.hashes is None or line.size is None:
            directories.append(path)
        else:
            files.append(FileEntry(path, line.size, _bytes_of_hex(line.hashes)))
    return Manifest(tuple(directories), tuple(files))


def _canonical_lines(data: bytes) -> Iterator[_Line]:
    raw_header, _, body = data.partition(b"\n")
    header = _decode_line(_header_decoder, raw_header)
    if header.lanspread_manifest != FORMAT:
        raise InvalidManifest(f"expected manifest format {FORMAT}")
    if not 0 < header.entries <= MAX_MANIFEST_ENTRIES:
        raise InvalidManifest(f"expected 1 to {MAX_MANIFEST_ENTRIES} entries")
    raw_lines = body.split(b"\n", header.entries)
    if len(raw_lines) != header.entries + 1 or raw_lines.pop():
        raise InvalidManifest(f"expected {header.entries} entries")
    previous = b""
    for raw_line in raw_lines:
        line = _decode_line(_line_decoder, raw_line)
        if (line.hashes is None) != (line.size is None):
            raise InvalidManifest("expected size and hashes together")
        path = line.path.encode("utf-8")
        if path <= previous:
            raise InvalidManifest("expected entries in strict byte order of their paths")
        previous = path
        yield line


def _decode_line(decoder: msgspec.json.Decoder[_T], raw: bytes) -> _T:
    try:
        line = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidManifest(f"malformed line: {error}") from error
    if _encoder.encode(line) != raw:
        raise InvalidManifest("a line is not in canonical form")
    return line


def _bytes_of_hex(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise InvalidManifest(f"malformed hashes: {error}") from error
    # Upper case and spaces decode too, but would give equal folders two content ids.
    if data.hex() != text:
        raise InvalidManifest("hashes are not in lower-case hex")
    return data
