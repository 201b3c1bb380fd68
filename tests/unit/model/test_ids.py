"""Ids are parsed at the edge; equal games have equal keys."""

from hashlib import sha256

import pytest

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.ids import (
    game_key,
    parse_content_id,
    parse_game_id,
    parse_instance_id,
    parse_peer_id,
    peer_id_of_key,
)
from lanspread_peer.model.limits import MAX_GAME_ID_BYTES
from support.hostile_paths import hostile_paths

FAULTS_THAT_ARE_NOT_FAULTS_OF_ONE_NAME = ("decomposed", "path too long")


def test_a_peer_id_is_the_base32_of_the_hash_of_the_key() -> None:
    peer_id = peer_id_of_key(b"a public key")
    assert peer_id == "".join(_base32_digits(sha256(b"a public key").digest()))
    assert parse_peer_id(peer_id) == peer_id


def _base32_digits(data: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(alphabet[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5))


@pytest.mark.parametrize(
    "text", ["", "a" * 51, "a" * 53, "A" * 52, "0" * 52, "1" * 52, "a" * 52 + "\n", "a" * 51 + "="]
)
def test_anything_else_is_no_peer_id(text: str) -> None:
    with pytest.raises(InvalidField, match="peer_id"):
        parse_peer_id(text)


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n"])
def test_anything_but_64_lower_case_hex_digits_is_no_content_id(text: str) -> None:
    assert parse_content_id("0123456789abcdef" * 4) == "0123456789abcdef" * 4
    with pytest.raises(InvalidField, match="content_id"):
        parse_content_id(text)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "F" * 32, "0" * 32 + "\n"])
def test_anything_but_32_lower_case_hex_digits_is_no_instance_id(text: str) -> None:
    assert parse_instance_id("0123456789abcdef" * 2) == "0123456789abcdef" * 2
    with pytest.raises(InvalidField, match="instance"):
        parse_instance_id(text)


@pytest.mark.parametrize(
    "text", ["aoe2", "Age of Empires II", "\u65e5\u672c", "a.b", "quake 3 (1999)"]
)
def test_a_folder_name_is_a_game_id(text: str) -> None:
    assert parse_game_id(text) == text


def test_a_game_id_is_kept_in_nfc() -> None:
    assert parse_game_id("Cafe\u0301") == "Caf\u00e9"


@pytest.mark.parametrize(
    "text",
    [
        path
        for fault, path in hostile_paths()
        if fault not in FAULTS_THAT_ARE_NOT_FAULTS_OF_ONE_NAME
    ],
)
def test_no_hostile_path_is_a_game_id(text: str) -> None:
    with pytest.raises(InvalidField, match="game_id"):
        parse_game_id(text)


@pytest.mark.parametrize("text", ["a/b", ".lanspread", ".hidden", "/".join(["a" * 128] * 4)])
def test_neither_a_path_nor_a_hidden_name_is_a_game_id(text: str) -> None:
    with pytest.raises(InvalidField, match="game_id"):
        parse_game_id(text)


def test_a_game_id_may_have_as_many_bytes_as_its_limit_and_no_more() -> None:
    full = "\u00e9" * (MAX_GAME_ID_BYTES // 2) + "x"
    assert len(full.encode()) == MAX_GAME_ID_BYTES
    assert parse_game_id(full) == full
    with pytest.raises(InvalidField, match="at most"):
        parse_game_id(full + "x")


@pytest.mark.parametrize(
    ("left", "right"), [("AoE2", "aoe2"), ("CAFE\u0301", "caf\u00e9"), ("STRASSE", "stra\u00dfe")]
)
def test_ids_that_differ_in_case_or_form_are_one_game(left: str, right: str) -> None:
    assert game_key(left) == game_key(right)


def test_different_ids_are_different_games() -> None:
    assert len({game_key(text) for text in ("aoe", "aoe2", "a oe", "\u00e4oe")}) == 4
