"""Whatever is asked of the byte-rate bucket, what it lets through stays within the rate."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.core.byte_rate import BURST_S, ByteRate, Waiting

COUNTS = st.integers(1, 5000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), COUNTS),
        st.tuples(st.just("leave"), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.floats(0.0, 3.0)),
    ),
    max_size=60,
)


@dataclass
class Line:
    """Those who wait, each trying at every step, and what was let through when."""

    bucket: ByteRate
    now: float = 0.0
    waiting: list[Waiting] = field(default_factory=list)
    passed: list[tuple[float, int]] = field(default_factory=list)

    def step(self, what: str, value: float) -> None:
        match what:
            case "enter":
                self.waiting.append(self.bucket.enter(int(value)))
            case "leave" if int(value) < len(self.waiting):
                self.bucket.leave(self.waiting.pop(int(value)))
            case "pass":
                self.now += value
        self.try_all()

    def try_all(self) -> None:
        for place in list(self.waiting):
            if self.bucket.take(place, now=self.now) == 0.0:
                self.waiting.remove(place)
                self.passed.append((self.now, place.granted))


@given(rate=st.floats(1.0, 10_000.0), steps=STEPS)
def test_no_window_has_more_than_the_rate_and_a_burst(
    rate: float, steps: list[tuple[str, float]]
) -> None:
    bucket = ByteRate()
    bucket.set_rate(rate, now=0.0)
    line = Line(bucket)
    for step in steps:
        line.step(*step)
    for start, (begin, _) in enumerate(line.passed):
        total = 0
        for at, count in line.passed[start:]:
            total += count
            assert total <= rate * (at - begin) + max(1.0, rate * BURST_S) + 1e-3


@given(
    rates=st.lists(st.floats(1.0, 10_000.0), min_size=1, max_size=8),
    pauses=st.lists(st.floats(0.0, 0.05), min_size=8, max_size=8),
)
def test_changing_the_rate_gives_nothing_for_free(rates: list[float], pauses: list[float]) -> None:
    bucket = ByteRate()
    line = Line(bucket)
    allowed = max(1.0, max(rates) * BURST_S)
    for rate, pause in zip(rates, pauses, strict=False):
        bucket.set_rate(rate, now=line.now)
        line.waiting += [bucket.enter(25) for _ in range(40)]
        line.try_all()
        line.step("pass", pause)
        allowed += rate * pause
    assert sum(count for _, count in line.passed) <= allowed + 1e-3


@given(rate=st.floats(1.0, 10_000.0), counts=st.lists(COUNTS, min_size=1, max_size=20))
def test_who_waits_as_told_is_let_through_in_order_and_at_full_rate(
    rate: float, counts: list[int]
) -> None:
    bucket = ByteRate()
    bucket.set_rate(rate, now=0.0)
    now = 0.0
    places = [bucket.enter(count) for count in counts]
    for place in places:
        while wait_s := bucket.take(place, now=now):
            now += wait_s
    assert now <= sum(place.granted for place in places) / rate * (1 + 1e-9) + 1e-3


@given(
    rate=st.floats(100.0, 10_000.0),
    wanted=st.lists(st.integers(2000, 5000), min_size=2, max_size=8),
)
def test_who_wants_more_gets_no_more_at_a_time(rate: float, wanted: list[int]) -> None:
    bucket = ByteRate()
    bucket.set_rate(rate, now=0.0)
    now, got = 0.0, [0] * len(wanted)
    for _ in range(5):
        for number, place in enumerate([bucket.enter(count) for count in wanted]):
            while wait_s := bucket.take(place, now=now):
                now += wait_s
            got[number] += place.granted
    assert len(set(got)) == 1
