"""Scenarios of downloads and of the events that tell of them."""

import random
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from conformance.environment import game_dir, spawned
from conformance.events import Events, add_seeder, download_in, find, snapshot_end
from conformance.raw import error_of, raw_calls
from lanspread.peer.v1 import types_pb2
from lanspread.peer.v1.events_pb2 import WatchEventsResponse
from lanspread_client import Client
from lanspread_client.connection import FINAL_STATES

_MIB = 2**20
_SLOW = _MIB // 2


async def download() -> None:
    async with spawned() as sidecar:
        client = sidecar.client
        game_id = await add_seeder(client)
        first = await client.download_game_files(game_id, request_id="one and the same")
        second = await client.download_game_files(game_id, request_id="one and the same")
        assert first.id == second.id
        done, state = 0, first.state
        async for each in client.follow_download(first.id):
            assert each.done_bytes >= done, f"{each.done_bytes} bytes after {done}"
            done, state = each.done_bytes, each.state
        assert state == types_pb2.DOWNLOAD_STATE_FINISHED


async def resume() -> None:
    async with spawned() as sidecar:
        client = sidecar.client
        game_id = await add_seeder(client)
        await client.update_settings(download_bytes_per_second=_MIB)

        record = EventRecord()
        changes: list[Callable[[str], Coroutine[Any, Any, object]]] = [
            client.pause_download,
            client.resume_download,
            client.pause_download,
            client.resume_download,
        ]
        seen_before_drop = random.randint(1, 4)
        print(f"drops the stream after event {seen_before_drop} of it", file=sys.stderr)
        async with aclosing(client.events()) as events:
            await find(events, lambda message: snapshot_end(record.take(message)))
            started = await client.download_game_files(game_id)
            await find(events, lambda message: record.take_numbered_of(started.id, message))
            for _ in range(seen_before_drop - 1):
                await changes.pop(0)(started.id)
                await find(events, lambda message: record.take_numbered_of(started.id, message))

        for change in changes:
            await change(started.id)
        await client.update_settings(download_bytes_per_second=None)
        async with aclosing(client.events(record.resume_token)) as events:
            await _read_to_end(client, events, record)
        assert record.finals == ["download_game_files_finished"], record.finals
        assert record.snapshots == 1, record.snapshots


async def expired_token() -> None:
    async with spawned() as earlier, aclosing(earlier.client.events()) as events:
        token = await find(events, lambda message: message.resume_token)
    async with spawned() as sidecar:
        async with raw_calls(sidecar.ready.address, sidecar.ready.token) as calls:
            assert (await error_of(calls.open_stream(token))).reason == "RESUME_TOKEN_EXPIRED"
        async with aclosing(sidecar.client.events(token)) as events:
            assert await find(events, snapshot_end) == sidecar.ready.instance_id


async def cancel() -> None:
    async with spawned() as sidecar:
        client = sidecar.client
        game_id = await add_seeder(client)
        await client.update_settings(download_bytes_per_second=_SLOW)

        record = EventRecord()
        async with aclosing(client.events()) as events:
            await find(events, lambda message: snapshot_end(record.take(message)))
            started = await client.download_game_files(game_id)
            await find(events, lambda message: _done_bytes(record.take(message)))
            cancelled = await client.cancel_download(started.id)
            assert cancelled.state == types_pb2.DOWNLOAD_STATE_CANCELLED
            assert not cancelled.HasField("error"), cancelled.error
            await _read_to_end(client, events, record)
        assert record.finals == ["download_game_files_cancelled"], record.finals
        assert not (game_dir() / game_id).exists()


class EventRecord:
    """What was told over all streams; fails when a number is missing or comes twice."""

    def __init__(self) -> None:
        self.finals: list[str] = []
        self.snapshots = 0
        self.resume_token = ""
        self._latest = 0

    def take(self, message: WatchEventsResponse) -> WatchEventsResponse:
        self.resume_token = message.resume_token or self.resume_token
        kind = message.WhichOneof("event") or ""
        if kind == "snapshot_complete":
            self.snapshots += 1
        if message.sequence:
            expected = self._latest + 1
            assert not self._latest or message.sequence == expected, message.sequence
            self._latest = message.sequence
            found = download_in(message)
            if found is not None and found.state in FINAL_STATES:
                self.finals.append(kind)
        return message

    def take_final(self, message: WatchEventsResponse) -> bool:
        """Whether a download has ended by now."""
        self.take(message)
        return bool(self.finals)

    def take_numbered_of(self, download_id: str, message: WatchEventsResponse) -> bool:
        """Whether it is a numbered event that tells of this download."""
        found = download_in(self.take(message))
        return bool(message.sequence) and found is not None and found.id == download_id


async def _read_to_end(client: Client, events: Events, record: EventRecord) -> None:
    """Read on to the final event of the download, and then to the mark of a new name."""
    await find(events, record.take_final)
    name = "the end"
    await client.update_settings(name=name)
    await find(events, lambda message: record.take(message).settings_changed.settings.name == name)


def _done_bytes(message: WatchEventsResponse) -> int:
    found = download_in(message)
    return 0 if found is None else found.done_bytes
