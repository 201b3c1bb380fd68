"""The source book: what is remembered of peers, and what it says together."""

from lanspread_peer.core.source import Fault
from lanspread_peer.core.source_book import SourceBook
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_KNOWN_PEERS

A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


def make_book(liars: tuple[PeerId, ...] = (), honest: tuple[PeerId, ...] = ()) -> SourceBook:
    book = SourceBook()
    for peer in (*liars, *honest):
        book.open(peer).connect(None, now=0.0)
    for peer in liars:
        book[peer].fault = Fault.LIED
    return book


def test_a_peer_that_comes_back_finds_its_record() -> None:
    book = make_book(honest=(A,))
    assert book.open(A) is book[A] is book.find(A)
    assert book.find(B) is None


def test_liars_are_not_admitted() -> None:
    book = make_book(liars=(A,), honest=(B,))
    assert [source.peer for source in book.admitted()] == [B]
    assert book.liars == {A}


def test_all_lied_needs_several_liars_and_nobody_else() -> None:
    assert not make_book().all_lied
    assert not make_book(liars=(A,)).all_lied
    assert make_book(liars=(A, B)).all_lied
    assert not make_book(liars=(A, B), honest=(C,)).all_lied


def test_a_peer_that_was_dropped_for_its_silence_clears_this_machine() -> None:
    book = make_book(liars=(A, B), honest=(C,))
    book[C].fault = Fault.STALLED
    assert not book.all_lied


def test_a_peer_that_gave_nothing_and_left_says_nothing_of_this_machine() -> None:
    book = make_book(liars=(A, B), honest=(C,))
    book[C].is_connected = False
    assert book.all_lied


def test_peers_under_ever_new_ids_are_forgotten_but_liars_and_givers_last() -> None:
    book = make_book(liars=(A,), honest=(B, C))
    book[A].is_connected = False
    book[B].is_connected = False
    book[B].note_verified(1000)
    for index in range(MAX_KNOWN_PEERS + 50):
        book.open(PeerId(f"new-{index}"))
    assert len(list(book)) == MAX_KNOWN_PEERS
    assert all(book.find(peer) for peer in (A, B, C))


def test_connected_sources_are_never_forgotten() -> None:
    book = make_book(honest=tuple(PeerId(f"peer-{index}") for index in range(MAX_KNOWN_PEERS)))
    book.open(A)
    assert len(book.admitted()) == MAX_KNOWN_PEERS
