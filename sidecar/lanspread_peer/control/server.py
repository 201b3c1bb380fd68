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
from lanspread_peer.control.tls import LaunchTls, make_launch_tls
from lanspread_peer.model.errors import CannotBind
from lanspread_peer.model.limits import (
    CONTROL_HANDSHAKE_TIMEOUT_S,
    CONTROL_IDLE_TIMEOUT_S,
    MAX_CONTROL_CALLS,
    MAX_CONTROL_CONNECTIONS,
    MAX_CONTROL_MESSAGE_BYTES,
)

SERVICE = peer_service_pb2.DESCRIPTOR.services_by_name["PeerService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_OPTIONS = (
    # On by default, and a second server would share the port in silence.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_CONTROL_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_CONTROL_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", MAX_CONTROL_CALLS),
    # Who has no token may connect all the same, and then say nothing.
    ("grpc.max_allowed_incoming_connections", MAX_CONTROL_CONNECTIONS),
    ("grpc.server_handshake_timeout_ms", int(1000 * CONTROL_HANDSHAKE_TIMEOUT_S)),
    ("grpc.max_connection_idle_ms", int(1000 * CONTROL_IDLE_TIMEOUT_S)),
    # By default a client that pings more often than every five minutes is cut off.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class ControlServer:
    """A running server; its `address` is what gRPC clients dial, with `tls` if that is not None."""

    def __init__(
        self,
        server: grpc.aio.Server,
        sidecar: Sidecar,
        health: Health,
        endpoint: Endpoint,
        tls: LaunchTls | None,
    ) -> None:
        self._server = server
        self._sidecar = sidecar
        self._health = health
        self._endpoint = endpoint
        self.tls = tls

    @classmethod
    async def start(cls, sidecar: Sidecar, listen: str, token: str) -> Self:
        """Listen where `listen` says; calls are answered from now on, health says NOT_SERVING.

        With TLS where others than this machine can hear it. Raises InvalidField and CannotBind.
        """
        server = grpc.aio.server(interceptors=[TokenCheck(token)], options=_OPTIONS)
        health = Health((SERVICE,))
        add_PeerServiceServicer_to_server(Servicer(sidecar), server)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection((SERVICE, _HEALTH, reflection.SERVICE_NAME), server)
        wanted = endpoint_of(listen)
        tls = make_launch_tls() if wanted.needs_tls else None
        endpoint = _bind(server, wanted, tls)
        await server.start()
        return cls(server, sidecar, health, endpoint, tls)

    @property
    def address(self) -> str:
        """`unix:/path`, or an address with its port."""
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


def _bind(server: grpc.aio.Server, endpoint: Endpoint, tls: LaunchTls | None) -> Endpoint:
    try:
        if tls:
            port = server.add_secure_port(endpoint.target, tls.credentials())
        else:
            port = server.add_insecure_port(endpoint.target)
    except RuntimeError as error:
        endpoint.remove()
        raise CannotBind(f"cannot listen on {endpoint.target}", address=endpoint.target) from error
    if endpoint.socket_path:
        endpoint.socket_path.chmod(0o600)
        return endpoint
    return endpoint.on_port(port)
