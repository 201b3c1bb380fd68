"""An unchanged library is not sent again, and a changed one only as far as it changed."""

from dataclasses import replace

from lanspread_peer.core.library_revisions import LibraryRevisions, line_of
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MAX_DOWNLOADING_GAMES
from lanspread_peer.model.version import Version
from lanspread_peer.wire.messages import Games, NotModified
from support.values import summary


def test_an_empty_library_has_a_digest_too() -> None:
    library = LibraryRevisions()
    assert len(library.digest) == 64
    assert library.answer("") == Games(digest=library.digest, games=[])
    assert library.answer(library.digest) == NotModified()


def test_publishing_the_same_games_in_any_order_changes_nothing() -> None:
    library = LibraryRevisions()
    assert library.publish([summary("b"), summary("a")])
    digest = library.digest
    assert not library.publish([summary("a"), summary("b")])
    assert library.digest == digest


def test_every_field_is_part_of_the_digest() -> None:
    base = summary(name="Age")
    digests = set()
    changes = [
        base,
        replace(base, id=GameId("aoe3")),
        replace(base, version=Version("2")),
        replace(base, bytes=1),
        replace(base, files=1),
        replace(base, name="x"),
        summary(content=2, name="Age"),
    ]
    for changed in changes:
        library = LibraryRevisions()
        library.publish([changed])
        digests.add(library.digest)
    assert len(digests) == len(changes)


def test_a_caller_who_knows_an_older_library_gets_what_changed() -> None:
    library = LibraryRevisions()
    library.publish([summary("a"), summary("b"), summary("c")])
    known = library.digest
    library.publish([summary("a"), summary("b", content=2), summary("d")])
    assert library.answer(known) == Games(
        digest=library.digest,
        base_digest=known,
        games=[line_of(summary("b", content=2)), line_of(summary("d"))],
        removed=["c"],
    )


def test_a_caller_who_knows_a_forgotten_library_gets_all() -> None:
    library = LibraryRevisions()
    library.publish([summary("first")])
    known = library.digest
    for number in range(20):
        library.publish([summary(f"game{number}")])
    answer = library.answer(known)
    assert isinstance(answer, Games)
    assert answer.base_digest == ""
    assert answer.games == [line_of(summary("game19"))]


def test_going_back_to_an_older_library_is_a_revision_like_any_other() -> None:
    library = LibraryRevisions()
    library.publish([summary("a")])
    first = library.digest
    library.publish([summary("a"), summary("b")])
    second = library.digest
    library.publish([summary("a")])
    assert library.digest == first
    answer = library.answer(second)
    assert isinstance(answer, Games)
    assert (answer.games, answer.removed) == ([], ["b"])


def test_what_is_being_downloaded_is_part_of_every_answer_and_of_the_digest() -> None:
    library = LibraryRevisions()
    library.publish([summary("a")])
    known = library.digest
    assert library.publish_downloading([summary("c"), summary("b")])
    assert not library.publish_downloading([summary("b"), summary("c")])
    lines = [line_of(summary("b")), line_of(summary("c"))]
    delta, whole = library.answer(known), library.answer("")
    assert delta == Games(library.digest, [], base_digest=known, downloading=lines)
    assert whole == Games(library.digest, [line_of(summary("a"))], downloading=lines)
    assert library.publish([summary("a"), summary("b")])
    assert library.publish_downloading([])
    after = library.answer(known)
    assert after == Games(library.digest, [line_of(summary("b"))], base_digest=known)


def test_a_game_moves_from_what_is_downloaded_to_what_is_here_with_another_digest() -> None:
    library = LibraryRevisions()
    library.publish([summary("a")])
    here = library.digest
    library.publish([])
    library.publish_downloading([summary("a")])
    assert library.digest != here


def test_no_more_is_told_than_the_limit() -> None:
    library = LibraryRevisions()
    library.publish_downloading([summary(f"g{n:03}") for n in range(MAX_DOWNLOADING_GAMES + 1)])
    answer = library.answer("")
    assert isinstance(answer, Games)
    assert len(answer.downloading) == MAX_DOWNLOADING_GAMES
