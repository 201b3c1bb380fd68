import asyncio
from dataclasses import replace

import pytest

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.errors import InvalidField, ResumeTokenExpired
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadFinished,
    DownloadPaused,
    DownloadProgressed,
    DownloadWaiting,
    Event,
    GamesUpdated,
    PeerCountUpdated,
    ScanFinished,
    ScanProgressed,
    VerifyBegan,
    VerifyEnded,
    VerifyProgressed,
    Warned,
)
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MAX_CONTROL_MESSAGE_BYTES, MAX_EVENT_RING_BYTES
from lanspread_peer.model.verification import VerificationState
from lanspread_peer.runtime.event_hub import Delivery, EventHub, Subscription
from support.memory_sidecar import INSTANCE, download_status, title, verification_status


class TurnedClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def hub(clock: TurnedClock) -> EventHub:
    return EventHub(INSTANCE, monotonic=clock, wall=lambda: 1_700_000_000.5)


async def read(subscription: Subscription) -> Delivery:
    delivery = await asyncio.wait_for(subscription.next(), 20)
    assert delivery is not None
    return delivery


async def read_all(subscription: Subscription) -> list[Event | None]:
    """All that is there now, without waiting."""
    events: list[Event | None] = []
    while True:
        waiting = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait([waiting])
            return events
        delivery = waiting.result()
        assert delivery is not None
        events.append(delivery.event)


async def test_a_subscription_gets_what_happens_after_it(hub: EventHub) -> None:
    hub.emit(Warned("BEFORE", ""))
    subscription = hub.subscribe()
    hub.emit(Warned("AFTER", ""))
    assert await read(subscription) == Delivery(
        2, 1_700_000_000.5, f"{INSTANCE}:2", Warned("AFTER", "")
    )


async def test_a_subscription_waits_for_what_comes(hub: EventHub) -> None:
    subscription = hub.subscribe()
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    hub.emit(PeerCountUpdated(1))
    assert (await read_future(waiting)).event == PeerCountUpdated(1)


async def read_future(future: "asyncio.Future[Delivery | None]") -> Delivery:
    delivery = await asyncio.wait_for(future, 20)
    assert delivery is not None
    return delivery


async def test_a_token_goes_on_where_it_was_given(hub: EventHub) -> None:
    first = hub.subscribe()
    hub.emit(Warned("A", ""))
    token = (await read(first)).resume_token
    hub.emit(Warned("B", ""))
    assert (await read(hub.subscribe(token))).event == Warned("B", "")


@pytest.mark.parametrize(
    "token", ["x", ":", f"{INSTANCE}", f"{INSTANCE}:", f"{INSTANCE}:-1", f"{INSTANCE}:²", "a" * 99]
)
def test_what_is_no_token_is_a_wrong_field(hub: EventHub, token: str) -> None:
    with pytest.raises(InvalidField) as caught:
        hub.subscribe(token)
    assert caught.value.field == "resume_token"


@pytest.mark.parametrize("token", [f"{'0' * 32}:0", f"{INSTANCE}:1"])
def test_a_token_of_another_launch_or_from_the_future_has_expired(
    hub: EventHub, token: str
) -> None:
    with pytest.raises(ResumeTokenExpired):
        hub.subscribe(token)


async def test_an_idle_stream_gives_signs_of_life(clock: TurnedClock, hub: EventHub) -> None:
    subscription = hub.subscribe()
    hub.emit(Warned("A", ""))
    await read(subscription)
    clock.now += 15.0
    heartbeat = await read(subscription)
    assert (heartbeat.event, heartbeat.sequence) == (None, 0)
    assert heartbeat.resume_token == f"{INSTANCE}:1"
    hub.emit(Warned("B", ""))
    assert (await read(subscription)).event == Warned("B", "")


async def test_progress_and_peer_counts_come_at_their_pace(
    clock: TurnedClock, hub: EventHub
) -> None:
    subscription = hub.subscribe()
    told: list[Event | None] = []
    status = download_status(1)
    # Two seconds, a value every millisecond.
    for step in range(2000):
        clock.now = 1000.0 + step / 1000
        hub.emit(DownloadProgressed(replace(status, done_bytes=step)))
        hub.emit(PeerCountUpdated(step))
        if step % 10 == 0:
            told += await read_all(subscription)
    assert 7 <= sum(isinstance(event, DownloadProgressed) for event in told) <= 8
    assert 3 <= sum(isinstance(event, PeerCountUpdated) for event in told) <= 4


async def test_nothing_is_told_of_a_download_after_its_end(hub: EventHub) -> None:
    subscription = hub.subscribe()
    status = download_status(1)
    finished = DownloadFinished(replace(status, state=DownloadState.FINISHED))
    hub.emit(DownloadBegan(status))
    hub.emit(DownloadProgressed(status))
    hub.emit(finished)
    hub.emit(DownloadProgressed(status))
    hub.emit(DownloadProgressed(finished.download))
    assert await read_all(subscription) == [DownloadBegan(status), finished]


async def test_nothing_is_told_of_a_verification_after_its_end(
    clock: TurnedClock, hub: EventHub
) -> None:
    subscription = hub.subscribe()
    status = verification_status(1)
    hub.emit(VerifyBegan(status))
    for done in range(100):
        hub.emit(VerifyProgressed(replace(status, done_bytes=done)))
    latest = VerifyProgressed(replace(status, done_bytes=99))
    assert await read_all(subscription) == [VerifyBegan(status), latest]
    ended = VerifyEnded(replace(status, state=VerificationState.FINISHED))
    hub.emit(latest)
    hub.emit(ended)
    hub.emit(latest)
    clock.now += 10
    assert await read_all(subscription) == [ended]


def test_streams_and_events_are_counted(hub: EventHub) -> None:
    assert (hub.stream_count, hub.latest) == (0, 0)
    streams = [hub.subscribe() for _ in range(3)]
    hub.emit(Warned("W", "text"))
    hub.emit(PeerCountUpdated(1))
    assert (hub.stream_count, hub.latest) == (3, 1)
    del streams[0]
    assert hub.stream_count == 2


@pytest.mark.parametrize(
    ("kind", "state"),
    [(DownloadWaiting, DownloadState.WAITING), (DownloadPaused, DownloadState.PAUSED)],
)
async def test_progress_older_than_a_change_of_state_is_not_told(
    hub: EventHub, kind: type[DownloadWaiting | DownloadPaused], state: DownloadState
) -> None:
    subscription = hub.subscribe()
    status = download_status(1)
    changed = kind(replace(status, state=state))
    hub.emit(DownloadProgressed(status))
    hub.emit(changed)
    hub.emit(ScanProgressed(GameId("aoe2"), 1, 2, None))
    hub.emit(ScanFinished(1, 2))
    hub.emit(PeerCountUpdated(1))
    assert await read_all(subscription) == [changed, ScanFinished(1, 2), PeerCountUpdated(1)]


async def test_a_large_update_is_told_in_parts_that_fit_a_message(hub: EventHub) -> None:
    titles = tuple(title(f"game{number}", "x" * 5000) for number in range(500))
    removed = tuple(GameId("r" * 200 + str(number)) for number in range(3000))
    subscription = hub.subscribe()
    hub.emit(GamesUpdated(titles, removed))
    parts = [event for event in await read_all(subscription) if isinstance(event, GamesUpdated)]
    assert tuple(each for part in parts for each in part.titles) == titles
    assert tuple(each for part in parts for each in part.removed) == removed
    for part in parts:
        texts = sum(len(each.name) for each in part.titles) + sum(map(len, part.removed))
        assert texts < MAX_CONTROL_MESSAGE_BYTES


async def test_the_ring_stays_within_its_bytes(hub: EventHub) -> None:
    subscription = hub.subscribe()
    for _ in range(200):
        hub.emit(Warned("W", "x" * 100_000))
    assert MAX_EVENT_RING_BYTES - 200_000 < hub.size_bytes <= MAX_EVENT_RING_BYTES
    with pytest.raises(ResumeTokenExpired):
        await subscription.next()


async def test_an_end_lets_streams_read_what_is_there(hub: EventHub) -> None:
    subscription = hub.subscribe()
    hub.emit(PeerCountUpdated(1))
    hub.emit(Warned("LAST", ""))
    hub.end()
    assert (await read(subscription)).event == Warned("LAST", "")
    assert await subscription.next() is None


async def test_an_end_ends_streams_that_wait(hub: EventHub) -> None:
    waiting = asyncio.ensure_future(hub.subscribe().next())
    await asyncio.sleep(0)
    hub.end()
    assert await asyncio.wait_for(waiting, 20) is None
