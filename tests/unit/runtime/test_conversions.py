"""What peers say, as values: bounded by the codec, and judged here."""

import pytest

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.game import Description, GameSummary
from lanspread_peer.model.ids import ContentId, GameId
from lanspread_peer.model.limits import MAX_LINE_NAME_CHARS
from lanspread_peer.model.version import Version
from lanspread_peer.runtime.conversions import description_of, summaries_of, summary_of
from lanspread_peer.wire.messages import GameLine, GameText

CONTENT = "ab" * 32


def line(game_id: str) -> GameLine:
    return GameLine(game_id, "20240229", CONTENT, 1000, 3, "A name")


def test_a_line_is_a_summary() -> None:
    expected = GameSummary(
        GameId("aoe2"), Version("20240229"), ContentId(CONTENT), 1000, 3, "A name"
    )
    assert summary_of(line("aoe2")) == expected


def test_a_name_is_cut_to_what_a_list_shows() -> None:
    for length, kept in ((MAX_LINE_NAME_CHARS, MAX_LINE_NAME_CHARS), (4000, MAX_LINE_NAME_CHARS)):
        long = GameLine("aoe2", "20240229", CONTENT, 1000, 3, "\u00e9" * length)
        assert len(summary_of(long).name) == kept


def test_an_id_is_brought_to_its_normal_form() -> None:
    assert summary_of(line("Cafe\u0301")).id == "Caf\u00e9"


@pytest.mark.parametrize("game_id", ["..", "a/b", ".lanspread", "CON", "a\\b", "a\nb"])
def test_an_id_that_no_folder_could_have_is_refused_and_left_out(game_id: str) -> None:
    with pytest.raises(InvalidField):
        summary_of(line(game_id))
    lines = [line("doom"), line(game_id), line("quake")]
    assert [summary.id for summary in summaries_of(lines)] == ["doom", "quake"]


def test_every_text_of_a_description_arrives() -> None:
    text = GameText("name", "about", "maker", 1999, "rts", 8)
    assert description_of(text) == Description("name", "about", "maker", 1999, "rts", 8)
