"""The event hub: where the sidecar says what happened, and every stream waits for it.

Emitting never waits and never fails. A subscription is a cursor into the one event log, so a
reader that stalls holds nothing up and nothing in memory; it learns that it missed events when
it reads on. Use everything here on the event loop only.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakSet

from lanspread_peer.core.event_log import Cursor, EventLog
from lanspread_peer.model.errors import InvalidField, ResumeTokenExpired
from lanspread_peer.model.events import (
    DownloadBegan,
    DownloadCancelled,
    DownloadEvent,
    DownloadFailedEvent,
    DownloadFinished,
    DownloadPaused,
    DownloadProgressed,
    DownloadResumed,
    DownloadWaiting,
    Event,
    GamesUpdated,
    PeerCountUpdated,
    ScanFinished,
    ScanProgressed,
    StateEvent,
    VerifyEnded,
    VerifyEvent,
    VerifyProgressed,
)
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.model.limits import (
    EVENT_HEARTBEAT_S,
    MAX_EVENT_RING_BYTES,
    PEER_COUNT_INTERVAL_S,
    PROGRESS_INTERVAL_S,
)
from lanspread_peer.runtime.clock import monotonic_s, unix_s
from lanspread_peer.runtime.event_cost import event_cost, split_update

_PEER_COUNT = "peers"
_SCAN = "scan"
# What the log adds to each event: its number, time and place in the ring.
_ENTRY_BYTES = 256
_RESUME_TOKEN = re.compile(r"([0-9a-f]{32}):([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of a stream; without an event it is a sign of life.

    `sequence` is 0 but for state events; `resume_token` goes on after this message.
    """

    sequence: int
    time_unix_s: float
    resume_token: str
    event: Event | None


class _Stamped(NamedTuple):
    time_unix_s: float
    event: Event


@dataclass(slots=True)
class _Feed:
    """What the hub and its subscriptions share."""

    instance: InstanceId
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    heartbeat_s: float
    log: EventLog[_Stamped] = field(default_factory=lambda: EventLog(MAX_EVENT_RING_BYTES))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class EventHub:
    """The events of one launch."""

    def __init__(
        self,
        instance: InstanceId,
        *,
        monotonic: Callable[[], float] = monotonic_s,
        wall: Callable[[], float] = unix_s,
        heartbeat_s: float = EVENT_HEARTBEAT_S,
    ) -> None:
        self._feed = _Feed(instance, monotonic, wall, heartbeat_s)
        self._streams: WeakSet[Subscription] = WeakSet()

    @property
    def latest(self) -> int:
        """How many state events were told."""
        return self._feed.log.latest

    @property
    def stream_count(self) -> int:
        """How many subscriptions there are."""
        return len(self._streams)

    @property
    def size_bytes(self) -> int:
        """What the events that are kept cost in memory, at most."""
        return self._feed.log.size_bytes

    def emit(self, event: Event) -> None:
        """Tell every subscription; must be called on the event loop."""
        match event:
            case DownloadProgressed():
                # The event of a final state says more, and says it once.
                if not event.download.state.is_final:
                    self._set_level(_progress_of(event), event, PROGRESS_INTERVAL_S)
            case VerifyProgressed():
                self._set_level(_verification_of(event), event, PROGRESS_INTERVAL_S)
            case PeerCountUpdated():
                self._set_level(_PEER_COUNT, event, PEER_COUNT_INTERVAL_S)
            case ScanProgressed():
                self._set_level(_SCAN, event, PROGRESS_INTERVAL_S)
            case GamesUpdated():
                for part in split_update(event):
                    self._append(part)
            case _:
                self._overtake_level(event)
                self._append(event)
        self._feed.wake()

    def subscribe(self, resume_token: str = "") -> "Subscription":
        """Everything after the token; without one, everything from now on.

        Raises ResumeTokenExpired when the events after it are gone or it is another launch's, and
        InvalidField when it is no token.
        """
        log = self._feed.log
        sequence = self._sequence_of(resume_token) if resume_token else log.latest
        log.check(sequence)
        subscription = Subscription(self._feed, Cursor(sequence))
        self._streams.add(subscription)
        return subscription

    def end(self) -> None:
        """End every subscription, once it has read the state events that are there."""
        self._feed.has_ended = True
        self._feed.wake()

    def _set_level(self, key: str, event: Event, interval_s: float) -> None:
        self._feed.log.set_level(key, _Stamped(self._feed.wall(), event), interval_s=interval_s)

    def _overtake_level(self, event: StateEvent) -> None:
        log = self._feed.log
        match event:
            case DownloadFinished() | DownloadFailedEvent() | DownloadCancelled():
                log.end_level(_progress_of(event))
            case DownloadBegan() | DownloadWaiting() | DownloadResumed() | DownloadPaused():
                log.drop_level(_progress_of(event))
            case VerifyEnded():
                log.end_level(_verification_of(event))
            case ScanFinished():
                log.drop_level(_SCAN)
            case _:
                pass

    def _append(self, event: StateEvent) -> None:
        size = event_cost(event) + _ENTRY_BYTES
        self._feed.log.append(_Stamped(self._feed.wall(), event), size)

    def _sequence_of(self, resume_token: str) -> int:
        match = _RESUME_TOKEN.fullmatch(resume_token)
        if match is None:
            raise InvalidField("resume_token", "a token that WatchEvents gave", resume_token[:64])
        if match[1] != self._feed.instance:
            raise ResumeTokenExpired(
                "the resume token is that of another launch; start again from a snapshot",
                instance_id=self._feed.instance,
            )
        return int(match[2])


class Subscription:
    """One stream's place in the events; it needs no closing."""

    def __init__(self, feed: _Feed, cursor: Cursor) -> None:
        self._feed = feed
        self._cursor = cursor
        self._heartbeat_at = feed.monotonic() + feed.heartbeat_s

    @property
    def resume_token(self) -> str:
        """Goes on after the last state event that was read."""
        return f"{self._feed.instance}:{self._cursor.sequence}"

    async def next(self) -> Delivery | None:
        """The next message, waiting for it; None once the hub has ended.

        Raises ResumeTokenExpired when this stream was too slow, and events are lost to it.
        """
        while True:
            changed = self._feed.changed
            delivery = self._take()
            if delivery or self._feed.has_ended:
                return delivery
            await self._wait(changed)

    def _take(self) -> Delivery | None:
        feed, now = self._feed, self._feed.monotonic()
        entry = (
            feed.log.take_state(self._cursor)
            if feed.has_ended
            else feed.log.take(self._cursor, now=now)
        )
        if entry is None and (feed.has_ended or now < self._heartbeat_at):
            return None
        self._heartbeat_at = now + feed.heartbeat_s
        if entry is None:
            return Delivery(0, feed.wall(), self.resume_token, None)
        return Delivery(
            entry.sequence, entry.event.time_unix_s, self.resume_token, entry.event.event
        )

    async def _wait(self, changed: asyncio.Event) -> None:
        level_at = self._feed.log.next_level_at(self._cursor)
        wake_at = self._heartbeat_at if level_at is None else min(level_at, self._heartbeat_at)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wake_at - self._feed.monotonic()):
                await changed.wait()


def _progress_of(event: DownloadEvent) -> str:
    return f"download:{event.download.id}"


def _verification_of(event: VerifyEvent) -> str:
    return f"verification:{event.verification.id}"
