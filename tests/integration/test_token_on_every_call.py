"""The token is asked for on every method of every service, health aside, before any handler."""

import hmac
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lanspread_peer.control import access
from lanspread_peer.control.server import SERVICE, ControlServer
from support.control import AUTH, TOKEN, info_of, open_channel
from support.memory_sidecar import MemorySidecar

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
OPEN = {f"/{HEALTH.full_name}/{method}" for method in ("Check", "Watch")}
WRONG: dict[str, tuple[tuple[str, str | bytes], ...]] = {
    "nothing": (),
    "another token": (("authorization", "Bearer wrong"),),
    "one that begins so": (("authorization", f"Bearer {TOKEN}x"),),
    "its beginning": (("authorization", f"Bearer {TOKEN[:-1]}"),),
    "no bearer": (("authorization", TOKEN),),
    "another header": (("token", TOKEN), ("authorization-bin", f"Bearer {TOKEN}".encode())),
    "twice": AUTH * 2,
}


class Recording(grpc.GenericRpcHandler):
    """Handlers of the server, and which of them were looked for."""

    def __init__(self, inner: grpc.GenericRpcHandler, reached: list[str]) -> None:
        self._inner = inner
        self._reached = reached

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        self._reached.append(str(details.method))
        return self._inner.service(details)


class Instrumented:
    """What a control server has: its methods, and those that somebody got through to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.methods: set[str] = set()
        self.reached: list[str] = []
        server = type(grpc.aio.server())
        add = server.add_generic_rpc_handlers
        monkeypatch.setattr(
            server,
            "add_generic_rpc_handlers",
            lambda own, handlers: add(own, [Recording(each, self.reached) for each in handlers]),
        )
        # Not registered, as those would be found without being looked for.
        monkeypatch.setattr(
            server, "add_registered_method_handlers", lambda _, name, found: self._add(name, found)
        )

    def _add(self, service: str, handlers: Mapping[str, object]) -> None:
        self.methods |= {f"/{service}/{method}" for method in handlers}


@pytest.fixture
async def instrumented(monkeypatch: pytest.MonkeyPatch) -> Instrumented:
    return Instrumented(monkeypatch)


@pytest.fixture
async def channel(
    instrumented: Instrumented, sidecar: MemorySidecar
) -> AsyncIterator[grpc.aio.Channel]:
    server = await ControlServer.start(sidecar, "", TOKEN)
    async with open_channel(server.address) as channel:
        yield channel
    await server.stop(0)


async def refusal(
    channel: grpc.aio.Channel,
    method: str,
    metadata: Iterable[tuple[str, str | bytes]],
    *requests: bytes,
) -> grpc.aio.AioRpcError | None:
    """What a call with these requests is refused with; None when it gets an answer."""
    anything: Any = channel.stream_stream(method)
    # A refusal that comes while a request is sent is another error, so strangers send none.
    sent = iter(requests) if requests else None
    call = anything(sent, metadata=tuple(metadata), timeout=20)
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return error
    finally:
        call.cancel()
    return None


async def services(channel: grpc.aio.Channel) -> set[str]:
    """The services that reflection names."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([request]), metadata=AUTH, timeout=20)
    answer = await call.read()
    call.cancel()
    return {service.name for service in answer.list_services_response.service}


async def test_every_service_is_looked_at(
    channel: grpc.aio.Channel, instrumented: Instrumented
) -> None:
    found = {method.split("/")[1] for method in instrumented.methods}
    assert found == await services(channel)
    assert {SERVICE, HEALTH.full_name} < found
    assert len(instrumented.methods) > 20


@pytest.mark.parametrize("metadata", WRONG.values(), ids=WRONG)
async def test_without_the_token_no_handler_is_reached(
    channel: grpc.aio.Channel,
    instrumented: Instrumented,
    metadata: tuple[tuple[str, str | bytes], ...],
) -> None:
    for method in sorted(instrumented.methods - OPEN):
        error = await refusal(channel, method, metadata)
        assert error is not None, method
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED, method
        assert info_of(error).reason == "UNAUTHENTICATED"
    assert instrumented.reached == []


async def test_with_the_token_every_handler_is_reached(
    channel: grpc.aio.Channel, instrumented: Instrumented
) -> None:
    for method in sorted(instrumented.methods):
        error = await refusal(channel, method, AUTH, b"")
        assert error is None or error.code() is not grpc.StatusCode.UNAUTHENTICATED, method
    assert set(instrumented.reached) == instrumented.methods


async def test_health_alone_needs_none(
    channel: grpc.aio.Channel, instrumented: Instrumented
) -> None:
    for method in sorted(OPEN):
        assert await refusal(channel, method, (), b"") is None
    assert set(instrumented.reached) == OPEN


async def test_tokens_are_compared_in_constant_time(
    channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return hmac.compare_digest(given, expected)

    class Instead:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(access, "hmac", Instead)
    given = (("authorization", "Bearer wrong"),)
    assert await refusal(channel, f"/{SERVICE}/GetStatus", given) is not None
    assert compared == [(b"Bearer wrong", f"Bearer {TOKEN}".encode())]
