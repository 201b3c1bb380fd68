"""How many calls of a kind run at once, and how long each may keep its request back.

gRPC's own limit counts calls that nobody has asked for the token yet, and a call whose request
never comes has no end there: strangers could take every place. Here a call takes one of the places
that its caller may have, and gives it back when it ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from inspect import isasyncgen
from typing import Any, TypeAlias

import grpc

from lanspread_peer.control.status import Context, abort, no_request, too_many_calls
from lanspread_peer.model.limits import CONTROL_REQUEST_TIMEOUT_S

# Generic in the type stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Places:
    """So many calls at once; those beyond are refused at once."""

    def __init__(self, count: int) -> None:
        self._free = count

    def bounded(self, handler: Handler) -> Handler:
        """The same handler, for calls that take a place each and send their request soon."""

        # gRPC waits for the request of any other kind before it calls us.
        async def answer(requests: object, context: Context) -> Any:
            async with self._place(context):
                return await _answer(handler, requests, context)

        make: Any = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        bounded: Handler = make(answer, handler.request_deserializer, handler.response_serializer)
        return bounded

    @asynccontextmanager
    async def _place(self, context: Context) -> AsyncIterator[None]:
        if not self._free:
            await abort(context, too_many_calls())
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def _answer(handler: Handler, requests: object, context: Context) -> Any:
    given = requests if handler.request_streaming else await _request(context)
    # Each handler has one of them.
    method: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    answers = method(given, context)
    if not isasyncgen(answers):
        return await answers
    async with aclosing(answers):
        async for each in answers:
            await context.write(each)
    return None


async def _request(context: Context) -> Any:
    try:
        async with asyncio.timeout(CONTROL_REQUEST_TIMEOUT_S):
            request = await context.read()
    except TimeoutError:
        request = grpc.aio.EOF
    if request is grpc.aio.EOF:
        await abort(context, no_request())
    return request
