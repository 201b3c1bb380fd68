"""What Prometheus scrapes: each figure once, for local callers only, whatever others try."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from dataclasses import fields
from http import HTTPStatus

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lanspread_peer.control import metrics_server
from lanspread_peer.control.metrics import CONTENT_TYPE, COUNTERS, GAUGES, Metrics
from lanspread_peer.control.metrics_server import serve_metrics
from lanspread_peer.model.errors import CannotBind, InvalidField
from lanspread_peer.model.limits import MAX_METRICS_CONNECTIONS, MAX_METRICS_REQUEST_BYTES
from lanspread_peer.model.status import Counters
from support import memory_sidecar
from support.memory_sidecar import MemorySidecar


@pytest.fixture
def sidecar() -> MemorySidecar:
    return MemorySidecar()


@pytest.fixture
async def address(sidecar: MemorySidecar) -> AsyncIterator[str]:
    text = Metrics(sidecar).text
    async with serve_metrics("127.0.0.1:0", text, CONTENT_TYPE) as address:
        yield address


def request(
    address: str, line: str = "GET /metrics HTTP/1.1", host: str | None = None, more: str = ""
) -> bytes:
    named = f"Host: {address if host is None else host}\r\n" if host != "" else ""
    return f"{line}\r\n{named}{more}\r\n".encode()


async def answer(address: str, sent: bytes) -> tuple[int, str]:
    """The status and the whole body; 0 when nothing came."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(sent)
        try:
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        except ConnectionResetError:
            return 0, ""
        return int(head.split(b" ")[1]) if head else 0, body.decode()
    finally:
        writer.close()


async def wait_answered(address: str) -> None:
    """Waits until there is room for a caller."""
    for _ in range(1000):
        if (await answer(address, request(address, "GET / HTTP/1.1")))[0] == HTTPStatus.NOT_FOUND:
            return
        await asyncio.sleep(0.03)
    raise AssertionError("there was never room")


async def figures(address: str) -> dict[str, float]:
    """All samples, by their name and labels."""
    status, text = await answer(address, request(address))
    assert status == HTTPStatus.OK
    return {
        "|".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_each_counter_of_the_status_is_there(address: str) -> None:
    found = await figures(address)
    for name in COUNTERS:
        value = getattr(memory_sidecar.COUNTERS, name)
        assert found[f"lanspread_{name}_total"] == value, name
    for name in GAUGES:
        assert found[f"lanspread_{name}"] == getattr(memory_sidecar.COUNTERS, name), name
    assert {*COUNTERS, *GAUGES} == {field.name for field in fields(Counters)}


async def test_all_else_is_there_and_of_this_moment(address: str, sidecar: MemorySidecar) -> None:
    before = await figures(address)
    sidecar.known_peers += [memory_sidecar.peer(1), memory_sidecar.peer(2)]
    found = await figures(address)
    assert before["lanspread_peers|connected"] == len(sidecar.known_peers) - 2
    assert found["lanspread_peers|connected"] == len(sidecar.known_peers)
    assert found["lanspread_peers|lost"] == 0
    assert found["lanspread_downloads|running"] == len(sidecar.downloads())
    assert found["lanspread_sidecar_info|0.1.0"] == 1
    assert found["lanspread_uptime_seconds"] == 1.5
    assert found["lanspread_games"] == len(sidecar.library)
    assert found["lanspread_indexing"] == 0
    assert found["lanspread_loop_delay_seconds_bucket|0.001"] == 5
    # Prometheus counts in each bucket what is in those before.
    assert found["lanspread_loop_delay_seconds_bucket|+Inf"] == 6
    assert found["lanspread_loop_delay_seconds_count"] == 6


@pytest.mark.parametrize(
    ("line", "host", "status"),
    [
        ("GET /metrics HTTP/1.0", None, 200),
        ("GET /metrics HTTP/1.1", "localhost", 421),
        ("GET /metrics HTTP/1.1", "evil.example", 421),
        ("GET /metrics HTTP/1.1", "127.0.0.1", 421),
        ("GET /metrics HTTP/1.1", "", 400),
        ("GET / HTTP/1.1", None, 404),
        ("GET /metrics/../x HTTP/1.1", None, 404),
        ("POST /metrics HTTP/1.1", None, 405),
        ("OPTIONS /metrics HTTP/1.1", None, 405),
        ("GET /metrics HTTP/2.0", None, 400),
        ("nonsense", None, 400),
        ("", None, 400),
    ],
)
async def test_nothing_else_is_answered(
    address: str, line: str, host: str | None, status: int
) -> None:
    told, body = await answer(address, request(address, line, host))
    assert told == status
    assert bool(body) is (status == HTTPStatus.OK)


async def test_localhost_may_be_named_with_the_port(address: str) -> None:
    port = address.rpartition(":")[2]
    assert (await answer(address, request(address, host=f"LOCALHOST:{port}")))[0] == 200
    assert (await answer(address, request(address, host="evil.example:" + port)))[0] == 421


async def test_two_hosts_are_none(address: str) -> None:
    sent = request(address, more="Host: evil.example\r\n")
    assert (await answer(address, sent))[0] == HTTPStatus.BAD_REQUEST


async def test_a_head_may_be_so_long_and_no_longer(address: str) -> None:
    fixed = len(request(address, more="X: \r\n"))
    longest = request(address, more=f"X: {'y' * (MAX_METRICS_REQUEST_BYTES + 4 - fixed)}\r\n")
    assert (await answer(address, longest))[0] == HTTPStatus.OK
    longer = longest.replace(b"y", b"yy", 1)
    told = await answer(address, longer)
    assert told == (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "")


async def test_so_many_callers_at_a_time_and_no_more(address: str) -> None:
    host, _, port = address.rpartition(":")
    silent = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
    assert len(silent) == MAX_METRICS_CONNECTIONS
    assert (await answer(address, request(address)))[0] == 0
    silent[0][1].close()
    await wait_answered(address)
    for _, writer in silent:
        writer.close()


async def test_who_says_nothing_or_takes_nothing_is_sent_away(
    sidecar: MemorySidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "METRICS_TIMEOUT_S", 0.2)
    # Larger than what the sockets hold, so that it takes somebody who reads.
    flood = b"x" * (64 * 2**20)
    async with serve_metrics("127.0.0.1:0", lambda: flood, CONTENT_TYPE) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await reader.read() == b""
        writer.close()
        with ExitStack() as callers:
            for _ in range(MAX_METRICS_CONNECTIONS):
                caller = socket.create_connection((host, int(port)))
                callers.enter_context(closing(caller)).sendall(request(address))
            # There is no room for another one before one of them is sent away.
            await wait_answered(address)


async def test_an_end_in_the_middle_of_an_answer_leaves_nothing(sidecar: MemorySidecar) -> None:
    async with serve_metrics("127.0.0.1:0", Metrics(sidecar).text, CONTENT_TYPE) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET")
        await answer(address, request(address))
    assert await reader.read() == b""
    writer.close()


async def test_ipv6_has_brackets(sidecar: MemorySidecar) -> None:
    async with serve_metrics("[::1]:0", Metrics(sidecar).text, CONTENT_TYPE) as address:
        assert address.startswith("[::1]:")
        assert (await answer(address, request(address)))[0] == HTTPStatus.OK


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:0",
        "192.168.1.2:9000",
        "[::]:0",
        "::1:0",
        "[127.0.0.1]:0",
        "localhost:0",
        "127.0.0.1",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "[::1%lo]:0",
        "unix:/run/x",
    ],
)
async def test_only_loopback_is_listened_on(address: str) -> None:
    with pytest.raises(InvalidField, match="metrics"):
        async with serve_metrics(address, lambda: b"", CONTENT_TYPE):
            pass


async def test_a_taken_port_is_told(address: str) -> None:
    with pytest.raises(CannotBind, match=address):
        async with serve_metrics(address, lambda: b"", CONTENT_TYPE):
            pass
