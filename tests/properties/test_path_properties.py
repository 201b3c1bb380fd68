"""What the rules for paths, ids and versions promise for any text at all."""

import unicodedata
from contextlib import suppress
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.ids import game_key, parse_game_id
from lanspread_peer.model.limits import MAX_VERSION_BYTES
from lanspread_peer.model.paths import fold_path, path_fault
from lanspread_peer.model.version import Version, doubt_about, parse_version_ini, version_order

ANY_TEXT = st.text(st.characters())
PATHISH = st.text(st.sampled_from("aC:/\\. ~\0\u0301\u00e9conCOM1\u200b\u202e"), max_size=12)


@given(ANY_TEXT | PATHISH)
def test_a_safe_path_stays_below_its_folder_on_every_system(text: str) -> None:
    if path_fault(text) == "":
        parts = text.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not set('\\:*?"<>|\0') & set(text)
        assert not any(part.endswith((".", " ")) for part in parts)
        assert unicodedata.is_normalized("NFC", text)
        assert not {"Cc", "Cf", "Cs"} & set(map(unicodedata.category, text))


@given(ANY_TEXT | PATHISH)
@example("\u0345")
@example("\u1f80\u0345")
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_path(fold_path(text)) == fold_path(text)
    assert game_key(game_key(text)) == game_key(text)


@given(ANY_TEXT | PATHISH)
def test_a_game_id_parses_to_itself(text: str) -> None:
    with suppress(InvalidField):
        game_id = parse_game_id(text)
        assert parse_game_id(game_id) == game_id
        assert game_key(text) == game_key(game_id)


@given(st.binary(max_size=200))
def test_any_version_ini_gives_a_bounded_printable_version(content: bytes) -> None:
    version = parse_version_ini(content)
    assert len(version.encode()) <= MAX_VERSION_BYTES
    assert version.isprintable()


@given(ANY_TEXT, ANY_TEXT)
def test_any_two_versions_can_be_compared_and_doubted(left: str, right: str) -> None:
    first, second = version_order(Version(left)), version_order(Version(right))
    assert (first < second) + (first == second) + (first > second) == 1
    doubt_about(Version(left), date(2024, 1, 1))
