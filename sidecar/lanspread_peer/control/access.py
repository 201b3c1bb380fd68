"""Who may call: whoever knows the token of this launch.

The token is checked before any handler is looked up, so a stranger learns nothing but that a
sidecar is here. Health is exempt, for supervisors that cannot hold a secret; calls without the
token have places of their own, so that they take none from those with it.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc

from lanspread_peer.control.places import Handler, Places
from lanspread_peer.control.status import Context, abort, unauthenticated
from lanspread_peer.model.limits import MAX_CONTROL_CALLS, MAX_TOKENLESS_CALLS

_OPEN_METHODS = frozenset(["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"])
_Details = grpc.HandlerCallDetails
_Method: TypeAlias = "Handler | None"


def new_token() -> str:
    """A secret of 256 bits, in characters that any header takes."""
    return secrets.token_urlsafe(32)


class TokenCheck(grpc.aio.ServerInterceptor):
    """Refuses calls whose `authorization` is not `Bearer TOKEN`."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()
        self._with_token = Places(MAX_CONTROL_CALLS)
        self._without_token = Places(MAX_TOKENLESS_CALLS)
        # Of the most general kind: it answers any call without waiting for its request.
        self._refusal: _Method = grpc.stream_stream_rpc_method_handler(_refuse)

    async def intercept_service(
        self,
        continuation: Callable[[_Details], Awaitable[_Method]],
        handler_call_details: _Details,
    ) -> _Method:
        if self._is_authorized(handler_call_details):
            places = self._with_token
        elif handler_call_details.method in _OPEN_METHODS:
            places = self._without_token
        else:
            return self._refusal
        handler = await continuation(handler_call_details)
        return None if handler is None else places.bounded(handler)

    def _is_authorized(self, details: _Details) -> bool:
        given = [value for key, value in details.invocation_metadata if key == "authorization"]
        if len(given) != 1:
            return False
        value = given[0]
        as_bytes = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
        return hmac.compare_digest(as_bytes, self._expected)


async def _refuse(_requests: object, context: Context) -> None:
    await abort(context, unauthenticated())
