from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.download import StagedState
from lanspread_peer.model.errors import IntegrityError
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MAX_ID_CHARACTERS, MAX_STAGED_JSON_BYTES
from lanspread_peer.model.version import Version
from lanspread_peer.storage import staged_json
from lanspread_peer.storage.staged_json import decode_staged, encode_staged, is_staging_name
from support.stagings import manifest_of, staged_for

STAGED = staged_for(manifest_of({"version.ini": b"1"}))


@pytest.mark.parametrize("state", StagedState)
@pytest.mark.parametrize("paths", [None, (), ("version.ini", "Größe/a b")])
def test_what_is_written_is_read_again(state: StagedState, paths: tuple[str, ...] | None) -> None:
    staged = replace(
        STAGED, state=state, paths=paths, request_id="req/1", version=Version("1.2 beta")
    )
    assert decode_staged(encode_staged(staged)) == staged


def test_the_folder_is_spelled_as_on_disk() -> None:
    staged = replace(STAGED, game_id=GameId("caf\u00e9"), folder="Cafe\u0301")
    assert decode_staged(encode_staged(staged)) == staged


FOREIGN: list[tuple[str, Any]] = [
    ("lanspread_staging", 2),
    ("lanspread_staging", "1"),
    ("id", ""),
    ("id", "../x"),
    ("id", "a/b"),
    ("id", "x" * (MAX_ID_CHARACTERS + 1)),
    ("game_id", ".."),
    ("game_id", "other"),
    ("game_id", 1),
    ("folder", ""),
    ("folder", ".."),
    ("folder", "."),
    ("folder", "aoe2/x"),
    ("folder", "/aoe2"),
    ("folder", ".lanspread"),
    ("folder", "other"),
    ("folder", None),
    ("content_id", "AB" * 32),
    ("content_id", "ab" * 31),
    ("version", "1\n2"),
    ("version", "x" * 65),
    ("paths", ["../x"]),
    ("paths", ["/x"]),
    ("paths", ["a\\b"]),
    ("paths", "version.ini"),
    ("paths", [1]),
    ("request_id", "x" * 513),
    ("started_at_unix_s", -1),
    ("started_at_unix_s", 1e300),
    ("started_at_unix_s", "now"),
    ("state", "finished"),
    ("surplus", 1),
]


@pytest.mark.parametrize(("field", "value"), FOREIGN)
def test_a_field_that_we_would_not_have_written_is_refused(field: str, value: object) -> None:
    fields = msgspec.json.decode(encode_staged(STAGED))
    with pytest.raises(IntegrityError):
        decode_staged(msgspec.json.encode({**fields, field: value}))


def test_a_missing_field_is_refused() -> None:
    fields = msgspec.json.decode(encode_staged(STAGED))
    for field in fields:
        rest = {key: value for key, value in fields.items() if key != field}
        with pytest.raises(IntegrityError):
            decode_staged(msgspec.json.encode(rest))


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[" * 100_000, b"\xff", b'{"id":"\\ud800"}', b"1e999"]
)
def test_what_is_no_such_json_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_staged(data)


def test_a_lone_surrogate_is_refused() -> None:
    data = encode_staged(replace(STAGED, request_id="req"))
    with pytest.raises(IntegrityError):
        decode_staged(data.replace(b'"req"', b'"\\ud800"'))


def test_a_number_without_end_is_refused() -> None:
    data = encode_staged(STAGED)
    with pytest.raises(IntegrityError):
        decode_staged(data.replace(b"1700000000.5", b"1e999"))


def test_too_many_bytes_are_refused_unread() -> None:
    with pytest.raises(IntegrityError, match="bytes"):
        decode_staged(b" " * (MAX_STAGED_JSON_BYTES + 1))


def test_too_many_paths_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_json, "MAX_MANIFEST_ENTRIES", 3)
    paths = ("a", "b", "c", "version.ini")
    assert decode_staged(encode_staged(replace(STAGED, paths=paths[:3]))).paths == paths[:3]
    with pytest.raises(IntegrityError):
        encode_staged(replace(STAGED, paths=paths))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_staged(data)


def test_a_staging_is_named_by_one_part() -> None:
    assert is_staging_name("0123abcdef")
    for name in ("", ".", "..", "a/b", ".x", "a\\b", "CON", "a.", "x" * 129):
        assert not is_staging_name(name)
