"""The standard health service: NOT_SERVING until the sidecar is ready, and again from its end on.

grpcio's own writes to a watcher while it holds the lock that a change needs, so one watcher that
stops reading keeps the sidecar from getting ready; and its watchers outlive the end. Health may
be asked without a token, so both are open to strangers on this machine. Here a watcher holds
nothing, their number is limited, and they end when the sidecar ends.
"""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lanspread_peer.model.limits import MAX_HEALTH_WATCHERS

_Answer = health_pb2.HealthCheckResponse
_Context = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # generated without types
    """One status for the services that it is made with, and for the server as a whole."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = frozenset(["", *services])
        self._is_serving = False
        self._has_ended = False
        self._changed = asyncio.Event()
        self._watchers = 0

    def set_serving(self) -> None:
        self._is_serving = not self._has_ended
        self._wake()

    def end(self) -> None:
        """NOT_SERVING for good; watchers are told and end."""
        self._is_serving = False
        self._has_ended = True
        self._wake()

    async def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Answer(status=self._status(request.service))

    async def Watch(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> None:
        if self._watchers >= MAX_HEALTH_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch already")
        self._watchers += 1
        try:
            await self._tell(request.service, context)
        finally:
            self._watchers -= 1

    async def _tell(self, service: str, context: _Context) -> None:
        told = None
        while True:
            changed = self._changed
            status = self._status(service)
            if status != told:
                told = status
                await context.write(_Answer(status=status))
            elif self._has_ended:
                return
            else:
                await changed.wait()

    def _status(self, service: str) -> health_pb2.HealthCheckResponse.ServingStatus:
        if service not in self._services:
            return _Answer.SERVICE_UNKNOWN
        return _Answer.SERVING if self._is_serving else _Answer.NOT_SERVING

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
