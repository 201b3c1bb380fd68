"""Every decoder of what strangers, other programs or a broken disk may have written.

One entry of the table makes a decoder part of all tests of fuzzing.
"""

import asyncio
import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec

from lanspread_client.errors import LanspreadError as ClientError
from lanspread_client.runtime_file import read_runtime_file
from lanspread_peer.control.listen import endpoint_of
from lanspread_peer.control.paging import parse_token
from lanspread_peer.discovery.addresses import resolve
from lanspread_peer.model.errors import (
    AlreadyRunning,
    CannotBind,
    IntegrityError,
    InvalidField,
    InvalidManifest,
    InvalidSetting,
    MalformedMessage,
    PeerUnreachable,
    ResumeTokenExpired,
    StorageError,
    UnknownMessage,
    UnsafePath,
)
from lanspread_peer.model.ids import InstanceId, parse_game_id, parse_peer_id
from lanspread_peer.model.limits import KIB, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, MIB
from lanspread_peer.model.paths import parse_path
from lanspread_peer.model.peer import is_link_local_v6, is_loopback, parse_ip, split_host_port
from lanspread_peer.model.version import doubt_about, parse_version_ini, version_order
from lanspread_peer.runtime.conversions import description_of, summaries_of
from lanspread_peer.runtime.event_hub import EventHub
from lanspread_peer.storage import beneath, journal, runtime_file
from lanspread_peer.storage.blocked_peers import read_blocked
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.game_files import parse_description
from lanspread_peer.storage.index import INDEX_FILE, FileRow, Index
from lanspread_peer.storage.journal import (
    Journal,
    JournalStep,
    decode_journal,
    encode_journal,
)
from lanspread_peer.storage.lock_owner import OWNER_FILE
from lanspread_peer.storage.locks import lock_folder
from lanspread_peer.storage.moves import DropFolder, MakeFolder, Move, SyncFolder
from lanspread_peer.storage.node_key import load_or_create_key
from lanspread_peer.storage.records import read_record, record_path
from lanspread_peer.storage.removal_note import Removal, decode_removal, encode_removal
from lanspread_peer.storage.staged_json import decode_staged, encode_staged
from lanspread_peer.storage.staging_record import _encode_line, decode_record
from lanspread_peer.storage.thing import Kind, Thing
from lanspread_peer.wire.announcement import Announcement, decode_txt, encode_txt
from lanspread_peer.wire.codec import decode_answer, decode_request, encode
from lanspread_peer.wire.frames import FrameBuffer, encode_frame
from lanspread_peer.wire.manifest_codec import content_id_of, decode_manifest, encode_manifest
from lanspread_peer.wire.messages import ANSWERS, REQUESTS, Game, Games
from support.chunk_texts import AVAILABILITIES, WANTED, read_availability, read_wanted
from support.manifests import game_manifest
from support.messages import smallest_of
from support.party_decoders import PAPERS
from support.setting_texts import CONFIGS, TEXTS, config_reader, read_texts
from support.stagings import staged_for
from support.values import instance_id, peer_id

_INSTANCE = InstanceId(instance_id(1))


@dataclass(frozen=True, slots=True)
class Decoder:
    """`decode` takes any bytes and raises none but `allowed`; `seeds` are inputs that it takes.

    `share` is how many of the tries it gets, less than 1 for one that waits for the disk;
    `bomb_bytes` is the size of what it is given to burst on.
    """

    name: str
    decode: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    allowed: tuple[type[Exception], ...]
    share: float = 1.0
    bomb_bytes: int = 64 * KIB


def decoders(folder: Path) -> list[Decoder]:
    """The table; `folder` is an empty one for those that read files."""
    return [
        Decoder(
            "request",
            decode_request,
            tuple(encode(smallest_of(message)) for message in REQUESTS),
            (MalformedMessage, UnknownMessage),
            bomb_bytes=MAX_REQUEST_BYTES,
        ),
        Decoder(
            "answer",
            _answer,
            tuple(encode(smallest_of(message)) for message in ANSWERS),
            (MalformedMessage, UnknownMessage, InvalidField),
            bomb_bytes=MAX_ANSWER_BYTES // 4,
        ),
        *(Decoder(*paper) for paper in PAPERS),
        Decoder("frames", _frames, _FRAMES, (MalformedMessage, UnknownMessage)),
        Decoder("availability", read_availability, AVAILABILITIES, (MalformedMessage,)),
        Decoder("wanted", read_wanted, WANTED, (MalformedMessage,)),
        Decoder("manifest", _manifest, _MANIFESTS, (InvalidManifest, UnsafePath), bomb_bytes=MIB),
        Decoder("mDNS TXT", _txt, _TXTS, (MalformedMessage,)),
        Decoder("version.ini", _version_ini, _VERSION_INIS, ()),
        Decoder("game.json", parse_description, _GAME_JSONS, ()),
        Decoder("path", lambda data: parse_path(_text(data)), _PATHS, (UnsafePath,)),
        Decoder("game id", lambda data: parse_game_id(_text(data)), _GAME_IDS, (InvalidField,)),
        Decoder("peer id", lambda data: parse_peer_id(_text(data)), _PEER_IDS, (InvalidField,)),
        Decoder("host and port", _host_port, _HOST_PORTS, (InvalidField,)),
        Decoder("numeric address", _resolved, _HOST_PORTS, (InvalidField, PeerUnreachable), 0.05),
        Decoder("IP address", _ip, _IPS, (InvalidField,)),
        Decoder("listen", _listen, _LISTENS, (InvalidField, CannotBind)),
        Decoder("page token", lambda data: parse_token(_text(data)), _PAGES, (InvalidField,)),
        Decoder("resume token", _resume, _RESUMES, (InvalidField, ResumeTokenExpired)),
        Decoder("configuration", config_reader(folder), CONFIGS, (InvalidSetting,), 0.1, 512),
        Decoder("setting in a text", read_texts, TEXTS, (), 0.2),
        Decoder("runtime file", _runtime_file(folder), _RUNTIME_FILES, (), 0.2),
        Decoder("client's runtime file", _client(folder), _RUNTIME_FILES, (ClientError,), 0.2),
        Decoder("node key", _node_key(folder, "node.key"), _node_files(folder, 0), (), 0.02),
        Decoder("machine", _node_key(folder, "node.machine"), _node_files(folder, 1), (), 0.02),
        Decoder("record", _record(folder), _MANIFESTS, (), 0.1),
        Decoder("staged download", decode_staged, _STAGED, (IntegrityError,)),
        Decoder("staging record", _staging_record, _STAGING_RECORDS, ()),
        Decoder("journal", decode_journal, _JOURNALS, (IntegrityError,)),
        Decoder("journal's body", _journal_body, _JOURNAL_BODIES, (IntegrityError,)),
        Decoder("note of a removal", decode_removal, _REMOVALS, (IntegrityError,)),
        Decoder("blocked peers", _blocked(folder), (f"{peer_id(1)}\n".encode(), b"\n"), (), 0.1),
        Decoder("lock owner", _lock_owner(folder), _LOCK_OWNERS, (AlreadyRunning,), 0.1),
        Decoder("index", _index(folder), (_index_file(folder),), (StorageError,), 0.02),
    ]


_MANIFESTS = tuple(
    encode_manifest(game_manifest(files))
    for files in ({}, {"a/b": b"1", "a/c": b""}, {"\u00e9": b"x" * 300_000, "data/x": b"2"})
)
_FRAMES = (b"".join(encode_frame(smallest_of(message)) for message in REQUESTS),)
_TXTS = (
    b"\0".join(
        f"{key}={value}".encode()
        for key, value in encode_txt(Announcement(peer_id(1), _INSTANCE, 1, 26789)).items()
    ),
)
_VERSION_INIS = (b"20240229\n", b"[game]\r\nversion = 1.2.3\r\n", b'\xef\xbb\xbfversion="x"\n')
_GAME_JSONS = (
    b'{"name":"Doom","description":"x","publisher":"id","release_year":1993,"genre":"fps",'
    b'"max_players":4}',
    b'{"release_year":"1999","max_players":8.0}',
)
_PATHS = (b"data/maps/level 1.bsp", "caf\u00e9/\u65e5\u672c.pak".encode(), b"a/b/c/d", b"COM10.txt")
_GAME_IDS = (b"aoe2", "Caf\u00e9 (1999)".encode(), b"quake 3")
_PEER_IDS = (peer_id(1).encode(),)
_HOST_PORTS = (b"192.168.1.2:26789", b"[fe80::1%2]:26789", b"[::1]:1", b"127.0.0.1:65535")
_IPS = (b"192.168.1.2", b"fe80::1%eth0", b"::ffff:1.2.3.4", b"::1", b"fe80::1%2")
_LISTENS = (b"127.0.0.1:0", b"[::1]:5000", b"unix:/nowhere/of/ours/socket")
_PAGES = (base64.urlsafe_b64encode(b"files aoe2\ndata/x"), base64.urlsafe_b64encode(b"\n"))
_RESUMES = (f"{_INSTANCE}:0".encode(), f"{_INSTANCE}:17".encode(), f"{instance_id(2)}:1".encode())
_RUNTIME_FILES = (
    msgspec.json.encode(
        runtime_file.RuntimeFile(
            address="127.0.0.1:1",
            token="token",
            pid=1,
            instance_id=_INSTANCE,
            version="1",
            started_at=1.5,
        )
    ),
)

_MANIFEST = game_manifest({"a": b"1" * 3_000_000, "b": b"2"})
_STAGED = (
    encode_staged(staged_for(_MANIFEST)),
    encode_staged(replace(staged_for(_MANIFEST), paths=("a", "version.ini"))),
)
_REMOVALS = (
    encode_removal(Removal("aoe2", Thing(Kind.FILE, 1, 2), (), ())),
    encode_removal(
        Removal(
            "aoe2",
            Thing(Kind.FILE, 1, 2),
            (("data/a", Thing(Kind.FILE, 3, 4)),),
            ("data",),
            ("local",),
        )
    ),
)
_STAGED_CONTENT = staged_for(_MANIFEST).content_id
_STAGING_RECORDS = (
    _encode_line(0b1011, _STAGED_CONTENT, 0),
    _encode_line(0b1, _STAGED_CONTENT, 0) + b"torn",
)
_JOURNALS = (
    encode_journal(
        Journal(
            "d1",
            "aoe2",
            (
                JournalStep(MakeFolder("aoe2/data"), is_new=True),
                JournalStep(
                    Move(".lanspread/staging/d1/files/a", "aoe2/a"),
                    Thing(Kind.FILE, 5, 1_700_000_000_000_000_000, "ab" * 32),
                ),
                JournalStep(DropFolder("aoe2/old")),
                JournalStep(SyncFolder("aoe2")),
            ),
        )
    ),
)
# What somebody would write who knows how to make it look whole.
_JOURNAL_BODIES = tuple(data.partition(b"\n")[2] for data in _JOURNALS)
_LOCK_OWNERS = (
    b'{"nonce":"a","host":"b","pid":1,"machine":"c","boot":"d"}',
    b'{"nonce":"","host":"","pid":0,"machine":"","boot":""}',
    b"{}",
)


def _journal_body(data: bytes) -> object:
    return decode_journal(journal._checksum(data) + b"\n" + data)


def _blocked(folder: Path) -> Callable[[bytes], object]:
    state = folder / "blocked-peers"
    state.mkdir()

    def read(data: bytes) -> object:
        (state / "blocked").write_bytes(data)
        return read_blocked(state)

    return read


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _answer(data: bytes) -> None:
    # What follows from an answer at once belongs to its reading.
    match decode_answer(data):
        case Games() as games:
            summaries_of(games.games)
        case Game() as game:
            description_of(game.description)
        case _:
            pass


def _frames(data: bytes) -> None:
    frames = FrameBuffer(MAX_REQUEST_BYTES)
    for start in range(0, len(data), 1000):
        frames.add(data[start : start + 1000])
        while (body := frames.take()) is not None:
            decode_request(body)


def _manifest(data: bytes) -> None:
    decode_manifest(data, content_id_of(data))


def _txt(data: bytes) -> None:
    pairs = (item.partition(b"=") for item in data.split(b"\0"))
    decode_txt({key: value if separator else None for key, separator, value in pairs})


def _version_ini(data: bytes) -> None:
    version = parse_version_ini(data)
    version_order(version)
    doubt_about(version, date(2024, 1, 1))


def _host_port(data: bytes) -> None:
    split_host_port(_text(data), "peer")


def _resolved(data: bytes) -> None:
    host, port = split_host_port(_text(data), "peer")
    # A name would be asked of the network's name server.
    asyncio.run(resolve(f"[{parse_ip(host, 'peer')}]:{port}", "peer"))


def _ip(data: bytes) -> None:
    text = _text(data)
    is_link_local_v6(text)
    is_loopback(text)
    parse_ip(text, "bind")


def _listen(data: bytes) -> None:
    # Empty is for the default, and that makes a folder.
    endpoint_of(_text(data) or "x")


def _resume(data: bytes) -> None:
    EventHub(_INSTANCE).subscribe(_text(data))


def _runtime_file(folder: Path) -> Callable[[bytes], object]:
    def decode(data: bytes) -> None:
        (folder / runtime_file.RUNTIME_FILE).write_bytes(data)
        runtime_file.read(folder)

    return decode


def _client(folder: Path) -> Callable[[bytes], object]:
    def decode(data: bytes) -> None:
        file = folder / runtime_file.RUNTIME_FILE
        file.touch(mode=beneath.PRIVATE_MODE)
        file.chmod(beneath.PRIVATE_MODE)
        file.write_bytes(data)
        read_runtime_file(folder)

    return decode


def _node_key(folder: Path, name: str) -> Callable[[bytes], object]:
    whole = dict(zip(("node.key", "node.machine"), _node_files(folder, 0, 1), strict=True))

    def decode(data: bytes) -> None:
        own = _fresh(folder / "node")
        for file, content in {**whole, name: data}.items():
            (own / file).write_bytes(content)
        load_or_create_key(own, "machine")

    return decode


def _node_files(folder: Path, *which: int) -> tuple[bytes, ...]:
    own = _fresh(folder / "node")
    load_or_create_key(own, "machine")
    return tuple((own / ("node.key", "node.machine")[number]).read_bytes() for number in which)


def _record(folder: Path) -> Callable[[bytes], object]:
    game_dir = GameDir(folder)
    file = folder / record_path("aoe2")

    def decode(data: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        read_record(game_dir, "aoe2")

    return decode


def _staging_record(data: bytes) -> None:
    decode_record(data, _STAGED_CONTENT, _MANIFEST.totals.chunks)


def _lock_owner(folder: Path) -> Callable[[bytes], object]:
    def decode(data: bytes) -> None:
        (folder / OWNER_FILE).write_bytes(data)
        lock_folder(folder, "folder").release()

    return decode


def _index_file(folder: Path) -> bytes:
    own = _fresh(folder / "index")
    index = Index(own)
    index.replace_rows(GameDir(folder), "aoe2", {"a/b": FileRow(1, 2, 3, bytes(32))}, ())
    index.close()
    return (own / INDEX_FILE).read_bytes()


def _index(folder: Path) -> Callable[[bytes], object]:
    def decode(data: bytes) -> None:
        own = _fresh(folder / "index")
        (own / INDEX_FILE).write_bytes(data)
        index = Index(own)
        try:
            index.rows_of(GameDir(folder), "aoe2")
        finally:
            index.close()

    return decode


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
