"""What tests of the control API share: a token, and how to read a stream and an error."""

import asyncio
from typing import TypeAlias

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from lanspread.peer.v1 import events_pb2
from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread_peer.control.access import new_token

TOKEN = new_token()
AUTH = (("authorization", f"Bearer {TOKEN}"),)
# Generic in the type stubs only.
Events: TypeAlias = (
    "grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, events_pb2.WatchEventsResponse]"
)


def open_channel(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


def info_of(error: grpc.aio.AioRpcError) -> ErrorInfo:
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


async def read(events: Events) -> events_pb2.WatchEventsResponse:
    message = await asyncio.wait_for(events.read(), 30)
    assert isinstance(message, events_pb2.WatchEventsResponse)
    return message


async def read_snapshot(events: Events) -> list[events_pb2.WatchEventsResponse]:
    messages = [await read(events)]
    while messages[-1].WhichOneof("event") != "snapshot_complete":
        messages.append(await read(events))
    return messages
