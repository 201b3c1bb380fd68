"""Liars are remembered: who, where, for how long, and never so that an honest peer is shut out."""

import pytest

from lanspread_peer.core.liars import Liars
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    MAX_KNOWN_PEERS,
    MAX_LIARS_PER_ADDRESS,
    MAX_LIES_PER_PEER,
    MAX_REMEMBERED_LIARS,
)
from support.values import peer_id

A, B = peer_id(1), peer_id(2)
HERE, THERE = "192.168.0.1", "192.168.0.2"


@pytest.fixture
def liars() -> Liars:
    return Liars()


def crowd(liars: Liars, count: int, host: str = HERE) -> None:
    for number in range(count):
        liars.lied(peer_id(100 + number), host)


def test_a_peer_that_did_not_lie_waits_for_nobody(liars: Liars) -> None:
    assert not liars.waits(A, HERE)
    assert not liars.is_dropped(A)


def test_after_one_lie_a_peer_waits_and_after_too_many_it_is_dropped(liars: Liars) -> None:
    for _ in range(MAX_LIES_PER_PEER - 1):
        liars.lied(A, HERE)
    assert liars.waits(A, HERE)
    assert not liars.is_dropped(A)
    liars.lied(A, HERE)
    assert liars.is_dropped(A)
    assert not liars.is_dropped(B)


def test_a_liar_stays_one_at_any_address_and_whatever_it_gives(liars: Liars) -> None:
    liars.lied(A, HERE)
    liars.gave(A)
    assert liars.waits(A, THERE)
    liars.lied(A, THERE)
    assert liars.is_dropped(A)


def test_newcomers_wait_where_many_lied_and_only_there(liars: Liars) -> None:
    crowd(liars, MAX_LIARS_PER_ADDRESS - 1)
    assert not liars.waits(A, HERE)
    crowd(liars, MAX_LIARS_PER_ADDRESS)
    assert liars.waits(A, HERE)
    assert not liars.waits(A, THERE)
    assert not liars.is_dropped(A)


def test_one_peer_alone_gives_an_address_no_bad_name(liars: Liars) -> None:
    for _ in range(10 * MAX_LIARS_PER_ADDRESS):
        liars.lied(A, HERE)
    assert not liars.waits(B, HERE)


def test_who_gave_right_bytes_does_not_wait_for_its_address(liars: Liars) -> None:
    crowd(liars, 10 * MAX_LIARS_PER_ADDRESS)
    liars.gave(A)
    assert not liars.waits(A, HERE)
    assert liars.waits(B, HERE)


def test_a_lie_that_may_be_our_own_fault_is_forgiven_once(liars: Liars) -> None:
    for _ in range(MAX_LIES_PER_PEER):
        liars.lied(A, HERE)
    liars.forgive([A, B])
    assert not liars.is_dropped(A)
    assert liars.waits(A, HERE)
    liars.forgive([A])
    assert not liars.waits(A, HERE)


def test_forgiving_clears_the_address_too(liars: Liars) -> None:
    crowd(liars, MAX_LIARS_PER_ADDRESS)
    liars.forgive([peer_id(100)])
    assert not liars.waits(A, HERE)


def test_the_memory_is_bounded_and_the_oldest_goes_first(liars: Liars) -> None:
    for number in range(MAX_REMEMBERED_LIARS + 1):
        liars.lied(PeerId(f"liar {number}"), f"host {number}")
        liars.gave(PeerId(f"giver {number}"))
    assert not liars.waits(PeerId("liar 0"), THERE)
    assert liars.waits(PeerId("liar 1"), THERE)
    assert len(liars._lies) == len(liars._honest) == MAX_REMEMBERED_LIARS
    assert len(liars._at) == MAX_KNOWN_PEERS


def test_a_liar_that_lies_on_is_not_the_oldest(liars: Liars) -> None:
    liars.lied(A, HERE)
    for number in range(MAX_REMEMBERED_LIARS - 1):
        liars.lied(PeerId(f"liar {number}"), HERE)
    liars.lied(A, HERE)
    liars.lied(B, HERE)
    assert liars.is_dropped(A)
