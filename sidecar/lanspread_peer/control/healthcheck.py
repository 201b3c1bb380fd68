"""Whether the sidecar of a state folder serves, asked over the standard health protocol."""

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from msgspec import UNSET

from lanspread_peer.control.tls import SERVER_NAME
from lanspread_peer.model.errors import StorageError
from lanspread_peer.storage import runtime_file

_TIMEOUT_S = 3.0


def is_serving(state_dir: Path) -> bool:
    """Whether a sidecar runs there and says SERVING."""
    try:
        running = runtime_file.read(state_dir)
    except StorageError:
        return False
    if running is None:
        return False
    with channel_to(running) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(),
                # Not asked for; but strangers may have all places of calls without it.
                metadata=(("authorization", f"Bearer {running.token}"),),
                timeout=_TIMEOUT_S,
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def channel_to(running: runtime_file.RuntimeFile) -> grpc.Channel:
    """A channel to a sidecar of this machine, by TLS if it says so; the caller must close it."""
    # A proxy for the web has no business between two processes of one machine.
    options = [("grpc.enable_http_proxy", 0)]
    if running.tls_certificate is UNSET:
        return grpc.insecure_channel(running.address, options=options)
    credentials = grpc.ssl_channel_credentials(running.tls_certificate.encode())
    options_with_name = [*options, ("grpc.ssl_target_name_override", SERVER_NAME)]
    return grpc.secure_channel(running.address, credentials, options=options_with_name)
