"""What a complete source gives to those that leave it the choice."""

from random import Random

from lanspread_peer.core.any_choice import AnyChoice
from lanspread_peer.core.chunk_set import NO_CHUNKS, chunk_set
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_REMEMBERED_SPREADS

CONTENT, OTHER = ContentId("ab" * 32), ContentId("cd" * 32)
ALL = chunk_set(range(20))


def given(choice: AnyChoice, times: int, wanted: int = ALL, *, now: float = 0.0) -> list[int]:
    found = [choice.choose(CONTENT, wanted, now=now) for _ in range(times)]
    return [chunk for chunk in found if chunk is not None]


def test_each_chunk_is_given_once_before_any_is_given_twice() -> None:
    choice = AnyChoice(Random(1))
    for _ in range(8):
        assert sorted(given(choice, 20)) == list(range(20))
    # From then on nobody counts any more, and any of them helps as much.
    assert set(given(choice, 200)) == set(range(20))


def test_the_order_is_random_and_the_seed_repeats_it() -> None:
    assert given(AnyChoice(Random(1)), 20) == given(AnyChoice(Random(1)), 20)
    assert given(AnyChoice(Random(1)), 20) != given(AnyChoice(Random(2)), 20)


def test_only_what_is_wanted_is_given_and_of_that_what_was_given_least() -> None:
    choice = AnyChoice(Random(1))
    assert given(choice, 3, chunk_set([4])) == [4, 4, 4]
    assert given(choice, 2, chunk_set([4, 5])) == [5, 5]
    assert sorted(given(choice, 3, chunk_set([4, 5, 6]))[:2]) == [6, 6]


def test_nothing_is_given_when_nothing_is_wanted() -> None:
    assert AnyChoice(Random(1)).choose(CONTENT, NO_CHUNKS, now=0.0) is None


def test_what_was_not_sent_counts_as_not_given() -> None:
    choice = AnyChoice(Random(1))
    given(choice, 20)
    choice.not_given(CONTENT, 7)
    assert given(choice, 1) == [7]
    choice.not_given(OTHER, 7)
    choice.not_given(CONTENT, 99)


def test_contents_are_counted_each_for_itself() -> None:
    choice = AnyChoice(Random(1))
    given(choice, 19)
    assert choice.choose(OTHER, chunk_set([3]), now=0.0) == 3
    [last] = given(choice, 1)
    assert sorted([*given(AnyChoice(Random(1)), 19), last]) == list(range(20))


def test_a_content_that_nobody_asks_for_is_forgotten() -> None:
    choice = AnyChoice(Random(1))
    pair = chunk_set([0, 1])
    assert given(choice, 1, chunk_set([0])) == [0]
    assert given(choice, 1, pair, now=599.0) == [1]
    assert given(choice, 1, chunk_set([0]), now=1100.0) == [0]
    assert given(choice, 1, pair, now=1699.0) == [1]
    assert sorted(given(choice, 2, pair, now=2299.0)) == [0, 1]


def test_of_too_many_contents_the_one_not_asked_for_longest_is_forgotten() -> None:
    choice = AnyChoice(Random(1))
    pair = chunk_set([0, 1])
    first = choice.choose(CONTENT, pair, now=0.0)
    assert first is not None
    others = [ContentId(f"{number:064x}") for number in range(MAX_REMEMBERED_SPREADS)]
    for other in others[:-1]:
        choice.choose(other, pair, now=0.0)
    assert choice.choose(CONTENT, pair, now=0.0) == 1 - first
    kept = choice.choose(others[1], chunk_set([0, 1, 2]), now=0.0)
    choice.choose(others[-1], pair, now=0.0)
    assert len(choice._spreads) == MAX_REMEMBERED_SPREADS
    assert others[0] not in choice._spreads
    assert kept is not None
