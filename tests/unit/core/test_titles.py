"""Local games and those of the peers read as one list of titles."""

from datetime import date

from lanspread_peer.core.titles import is_update, make_title, variants_of
from lanspread_peer.model.game import Description, LocalGame, LocalState
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.version import Version
from support.values import content_id, peer_id, summary

TODAY = date(2026, 11, 23)


def local(*, content: int = 1, version: str = "20240229", name: str = "") -> LocalGame:
    return LocalGame(
        GameId("aoe2"),
        LocalState.DOWNLOADED,
        Version(version),
        installed=False,
        content_id=content_id(content),
        description=Description(name=name),
    )


def test_nobody_has_it_so_there_is_no_title() -> None:
    assert make_title(None, {}, today=TODAY) is None


def test_a_local_only_title_is_a_title_like_any_other() -> None:
    title = make_title(local(name="Age"), {}, today=TODAY)
    assert title is not None
    assert (title.id, title.name, title.peer_count) == ("aoe2", "Age", 0)
    assert title.variants == ()


def test_variants_are_grouped_by_content_and_count_their_peers() -> None:
    holders = {
        peer_id(1): summary(content=1),
        peer_id(2): summary(content=2, version="20250101"),
        peer_id(3): summary(content=1),
    }
    title = make_title(None, holders, today=TODAY)
    assert title is not None
    assert title.peer_count == 3
    assert [v.content_id for v in title.variants] == [content_id(2), content_id(1)]
    assert set(title.variants[1].sources) == {peer_id(1), peer_id(3)}


def test_a_version_from_the_future_is_last_and_never_the_latest() -> None:
    holders = {
        peer_id(1): summary(content=1, version="20240101"),
        peer_id(2): summary(content=2, version="99990101"),
    }
    title = make_title(None, holders, today=TODAY)
    assert title is not None
    assert title.latest is not None
    assert title.latest.content_id == content_id(1)
    assert title.variants[1].doubt
    only_doubtful = make_title(None, {peer_id(2): holders[peer_id(2)]}, today=TODAY)
    assert only_doubtful is not None
    assert only_doubtful.latest is None


def test_of_one_content_most_peers_word_counts() -> None:
    holders = {
        peer_id(1): summary(version="20240101", name="Age of Empires"),
        peer_id(2): summary(version="20240101", name="Age of Empires"),
        peer_id(3): summary(version="20990101", name="Free Money"),
    }
    [variant] = variants_of(holders, today=TODAY)
    assert variant.version == "20240101"
    title = make_title(None, holders, today=TODAY)
    assert title is not None
    assert title.name == "Age of Empires"


def test_one_doubtful_word_does_not_spoil_a_variant() -> None:
    for doubtful in ("", "99990101"):
        holders = {peer_id(1): summary(version="20240101"), peer_id(2): summary(version=doubtful)}
        [variant] = variants_of(holders, today=TODAY)
        assert (variant.version, variant.doubt) == ("20240101", "")


def test_the_local_name_wins_over_what_peers_say() -> None:
    title = make_title(local(name="Mine"), {peer_id(1): summary(name="Theirs")}, today=TODAY)
    assert title is not None
    assert title.name == "Mine"


def test_only_a_newer_version_is_an_update() -> None:
    def update(version: str) -> bool:
        holders = {peer_id(1): summary(content=2, version=version)}
        title = make_title(local(version="20240229"), holders, today=TODAY)
        assert title is not None
        return is_update(title)

    assert update("20240301")
    assert not update("20240229")
    assert not update("20231231")
    assert not update("99990101")
    unheld = make_title(local(), {}, today=TODAY)
    assert unheld is not None
    assert not is_update(unheld)
