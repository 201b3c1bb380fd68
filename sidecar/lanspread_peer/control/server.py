"""The control server: one gRPC server with PeerService, health and reflection on one endpoint.

`__main__` sets GRPC_ENABLE_FORK_SUPPORT=0 before anything imports grpc: its handlers hang or
warn when a process with running calls starts another one.

The end has an order: event streams and health watchers end by themselves first, because a stop
with grace waits for every call, and these would last for ever.
"""

from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lanspread.peer.v1 import peer_service_pb2
from lanspread.peer.v1.peer_service_pb2_grpc import add_PeerServiceServicer_to_server
from lanspread_peer.control.access import TokenCheck
from lanspread_peer.control.commands import Sidecar
from lanspread_peer.control.health import Health
from lanspread_peer.control.listen import Endpoint, endpoint_of
from lanspread_peer.control.servicer import Servicer
from lanspread_peer.model.errors import CannotBind
from lanspread_peer.model.limits import MAX_CONTROL_CALLS, MAX_CONTROL_MESSAGE_BYTES

SERVICE = peer_service_pb2.DESCRIPTOR.services_by_name["PeerService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_OPTIONS = (
    # On by default, and a second server would share the port in silence.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_CONTROL_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_CONTROL_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", MAX_CONTROL_CALLS),
    # By default a client that pings more often than every five minutes is cut off.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class ControlServer:
    """A running server; its `address` is what gRPC clients dial."""

    def __init__(
        self, server: grpc.aio.Server, sidecar: Sidecar, health: Health, endpoint: Endpoint
    ) -> None:
        self._server = server
        self._sidecar = sidecar
        self._health = health
        self._endpoint = endpoint

    @classmethod
    async def start(cls, sidecar: Sidecar, listen: str, token: str) -> Self:
        """Listen where `listen` says; calls are answered from now on, health says NOT_SERVING.

        Raises InvalidField for an address that is not loopback, and CannotBind.
        """
        server = grpc.aio.server(
            interceptors=[TokenCheck(token)],
            options=_OPTIONS,
            maximum_concurrent_rpcs=MAX_CONTROL_CALLS,
        )
        health = Health((SERVICE,))
        add_PeerServiceServicer_to_server(Servicer(sidecar), server)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection((SERVICE, _HEALTH, reflection.SERVICE_NAME), server)
        endpoint = _bind(server, endpoint_of(listen))
        await server.start()
        return cls(server, sidecar, health, endpoint)

    @property
    def address(self) -> str:
        """`unix:/path`, or a loopback address with its port."""
        return self._endpoint.target

    def set_serving(self) -> None:
        """Let health say SERVING."""
        self._health.set_serving()

    async def stop(self, grace: float) -> None:
        """End event streams, then take no more calls and give those that run `grace` seconds.

        The socket is gone afterwards. Stopping twice is harmless.
        """
        self._sidecar.events.end()
        self._health.end()
        await self._server.stop(grace)
        self._endpoint.remove()


def _bind(server: grpc.aio.Server, endpoint: Endpoint) -> Endpoint:
    try:
        port = server.add_insecure_port(endpoint.target)
    except RuntimeError as error:
        endpoint.remove()
        raise CannotBind(f"cannot listen on {endpoint.target}", address=endpoint.target) from error
    if endpoint.socket_path:
        endpoint.socket_path.chmod(0o600)
        return endpoint
    host, _, _ = endpoint.target.rpartition(":")
    return Endpoint(f"{host}:{port}")
