"""Who goes on sending what no peer sends is sent away, and its address waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.limits import MAX_REQUEST_GAPS, OFFENCE_BURST, QUESTION_BURST
from lanspread_peer.runtime import peer_server
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.base import Connection
from lanspread_peer.transport.quic_connection import PeerConnection
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import encode
from support.party import Party, address_of
from support.quic_pair import scatter
from support.quic_party import LOOPBACK, ask

PATIENCE_S = 40.0


async def malformed(connection: Connection) -> None:
    await ask(connection, b"{")


async def unknown(connection: Connection) -> None:
    await ask(connection, b'"Reboot"')


async def out_of_turn(connection: Connection) -> None:
    await ask(connection, encode(messages.Challenge()))


async def cut_at_once(connection: Connection) -> None:
    connection.open_stream().reset(1)
    await asyncio.sleep(0)


async def cut_short(connection: Connection) -> None:
    stream = connection.open_stream()
    await stream.send(b'{"Pi')
    stream.reset(1)
    await asyncio.sleep(0)


Offend = Callable[[Connection], Awaitable[None]]
OFFENCES: list[Offend] = [malformed, unknown, out_of_turn, cut_at_once, cut_short]


async def offences_until_sent_away(connection: Connection, offend: Offend) -> int:
    """How many the victim stood; the last ones may have come too late to count."""
    count = 0
    while not connection.is_closed:
        try:
            await offend(connection)
        except (errors.ConnectionLost, errors.Stalled):
            break
        except (errors.Busy, errors.StreamReset):
            await asyncio.sleep(0.01)
        else:
            count += 1
    assert "nonsense" in await connection.wait_closed()
    return count


@pytest.mark.parametrize("offend", OFFENCES)
async def test_whoever_floods_with_nonsense_is_sent_away_and_soon_again(
    party: Party, offend: Offend
) -> None:
    sidecar = await party.start("victim")
    stranger = await party.hostile()
    async with asyncio.timeout(PATIENCE_S):
        connection = await stranger.dial(address_of(sidecar))
        assert await offences_until_sent_away(connection, offend) >= OFFENCE_BURST
        # Its first datagrams are ignored until the patience with its address has come back.
        connection = await stranger.dial(address_of(sidecar))
        assert await offences_until_sent_away(connection, offend) < OFFENCE_BURST


async def test_breaking_the_rules_of_the_transport_counts_as_nonsense(party: Party) -> None:
    sidecar = await party.start("victim")
    stranger = await party.hostile()
    reasons = []
    async with asyncio.timeout(2 * PATIENCE_S):
        while not sidecar.offences.waits(LOOPBACK, now=monotonic_s()):
            connection = await stranger.connect(address_of(sidecar))
            assert isinstance(connection, PeerConnection)
            stream = connection.open_stream()
            connection._quic.send_stream_data(stream.id, b"x")
            scatter(connection._quic._streams[stream.id].sender, 2 * MAX_REQUEST_GAPS)
            connection.settle()
            reasons.append(await connection.wait_closed())
    assert len(reasons) >= OFFENCE_BURST
    assert set(reasons) == {"Too many gaps in a stream"}


async def test_who_asks_without_end_waits_for_his_answers(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await party.start("victim")
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(sidecar))
    waits: list[float] = []
    monkeypatch.setattr(peer_server, "sleep", _noting(waits))
    # All of it in one moment, however long it takes.
    monkeypatch.setattr(peer_server, "monotonic_s", lambda: 1000.0)
    for _ in range(QUESTION_BURST // 4):
        await asyncio.gather(*(ask(connection, encode(messages.Ping())) for _ in range(8)))
    assert len(waits) >= 2 * QUESTION_BURST
    at_once = [wait for wait in waits if wait == 0]
    # The last ones wait for what the first ones of a second took.
    assert len(at_once) >= QUESTION_BURST
    assert max(waits) > 1.0
    assert not connection.is_closed


def _noting(waited: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    return sleep
