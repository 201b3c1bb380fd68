"""What a game offers, and what a title sums up."""

from dataclasses import replace

from lanspread_peer.model.game import Description, LocalGame, LocalState, Title, Variant
from lanspread_peer.model.ids import ContentId, GameId, GameKey, PeerId
from lanspread_peer.model.manifest import Totals
from lanspread_peer.model.version import Version

CONTENT = ContentId("a" * 64)
LOCAL = LocalGame(
    GameId("AoE2"),
    LocalState.DOWNLOADED,
    Version("20240229"),
    installed=False,
    content_id=CONTENT,
    totals=Totals(10, 2, 1),
    description=Description(name="Age of Empires II"),
)


def _variant(*sources: str, doubt: str = "") -> Variant:
    return Variant(CONTENT, Version("1"), 10, 2, tuple(map(PeerId, sources)), doubt)


def test_a_downloaded_game_makes_a_line_of_the_library() -> None:
    line = LOCAL.summary
    assert line is not None
    assert (line.id, line.version, line.content_id) == ("AoE2", "20240229", CONTENT)
    assert (line.bytes, line.files, line.name) == (10, 2, "Age of Empires II")
    assert line.key == LOCAL.key == GameKey("aoe2")


def test_a_game_that_lacks_files_is_offered_all_the_same_and_is_not_whole() -> None:
    partial = replace(LOCAL, sealed=True, missing_files=1, missing_bytes=4)
    assert partial.summary == LOCAL.summary
    assert not partial.is_whole
    assert LOCAL.is_whole


def test_a_game_that_is_not_hashed_or_not_sound_is_not_offered() -> None:
    assert replace(LOCAL, content_id=None).summary is None
    assert all(
        replace(LOCAL, state=state).summary is None
        for state in LocalState
        if state is not LocalState.DOWNLOADED
    )


def test_a_peer_with_two_variants_counts_once() -> None:
    title = Title(GameId("AoE2"), "", None, (_variant("p", "q"), _variant("q", "r")))
    assert title.peer_count == 3
    assert title.key == "aoe2"


def test_the_latest_variant_is_the_first_unless_it_is_doubtful() -> None:
    sound, doubtful = _variant("p"), _variant("q", doubt="the version is malformed")
    assert Title(GameId("a"), "", None, (sound, doubtful)).latest is sound
    assert Title(GameId("a"), "", None, (doubtful, sound)).latest is None
    assert Title(GameId("a"), "", LOCAL, ()).latest is None
