"""What neighbours hear of a download's chunks, and when."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.core.chunk_news import ChunkNews, batch_interval_s, ranges_of, set_of_ranges
from lanspread_peer.core.chunk_set import chunk_set


@pytest.mark.parametrize(
    ("neighbours", "seconds"), [(0, 0.02), (1, 0.02), (2, 0.025), (7, 0.0875), (8, 0.1), (99, 0.1)]
)
def test_batches_are_rarer_the_more_neighbours_there_are(neighbours: int, seconds: float) -> None:
    assert batch_interval_s(neighbours) == pytest.approx(seconds)


@given(st.lists(st.integers(0, 200)))
def test_ranges_hold_exactly_the_numbers_and_there_are_as_few_as_can_be(numbers: list[int]) -> None:
    ranges = ranges_of(numbers)
    assert set_of_ranges(ranges) == chunk_set(numbers)
    ends = [first + count for first, count in ranges]
    assert all(end < first for end, (first, _) in zip(ends, ranges[1:], strict=False))


def test_who_joins_hears_all_that_is_held_and_then_only_what_is_new() -> None:
    news = ChunkNews(chunk_set([1, 2]))
    news.add(5)
    assert news.join("a", now=0.0) == news.held == chunk_set([1, 2, 5])
    assert news.due_at("a") is None
    news.add(7)
    news.add(6)
    news.add(5)
    assert news.due_at("a") == pytest.approx(0.02)
    assert news.take("a", now=0.02) == ((6, 2),)
    assert news.take("a", now=0.03) == ()
    assert news.due_at("a") is None


def test_after_a_pause_news_goes_out_at_once() -> None:
    news = ChunkNews(0)
    news.join("a", now=0.0)
    news.add(1)
    due = news.due_at("a")
    assert due is not None
    assert due < 60.0


def test_each_neighbour_is_told_for_itself_and_a_slow_one_hears_all_in_one_batch() -> None:
    news = ChunkNews(0)
    news.join("fast", now=0.0)
    news.join("slow", now=0.0)
    for chunk in range(100):
        news.add(chunk)
        assert news.take("fast", now=chunk) == ((chunk, 1),)
    assert news.take("slow", now=100.0) == ((0, 100),)


def test_who_left_hears_nothing_and_who_joins_again_starts_anew() -> None:
    news = ChunkNews(0)
    news.join("a", now=0.0)
    news.add(1)
    news.leave("a")
    news.leave("a")
    assert (news.due_at("a"), news.take("a", now=1.0)) == (None, ())
    assert news.join("a", now=2.0) == chunk_set([1])
    assert news.take("a", now=3.0) == ()


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 80))
def test_what_a_neighbour_was_told_adds_up_to_what_is_held(seed: int, steps: int) -> None:
    rng = Random(seed)
    news = ChunkNews(rng.getrandbits(50))
    heard = {name: news.join(name, now=0.0) for name in "abc"}
    for step in range(steps):
        news.add(rng.randrange(50))
        name = rng.choice("abc")
        told = set_of_ranges(news.take(name, now=float(step)))
        assert told & heard[name] == 0
        heard[name] |= told
    for name, chunks in heard.items():
        assert chunks | set_of_ranges(news.take(name, now=99.0)) == news.held
