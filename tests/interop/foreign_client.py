"""A front end that has nothing of ours: grpcio, reflection, and the runtime file.

Usage: foreign_client.py RUNTIME_FILE GAME. Lists the games, downloads one, follows the events to
the final one, and prints what it learned as one JSON document.
"""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICE = "lanspread.peer.v1.PeerService"
FINAL_EVENTS = {
    "download_game_files_finished",
    "download_game_files_failed",
    "download_game_files_cancelled",
}
TIMEOUT_S = 60


class WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the token to every call, those of reflection included."""

    def __init__(self, token: str) -> None:
        self._metadata = [("authorization", f"Bearer {token}")]

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), request)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), requests)


class Api:
    """Calls the methods of a service by name, with dictionaries for messages."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        self._service: ServiceDescriptor = pool.FindServiceByName(SERVICE)

    def call(self, method: str, **fields: Any) -> Any:
        """One answer."""
        name, request, answer_type = self._prepare(method, fields)
        stub: Any = self._channel.unary_unary(
            name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_type.FromString,
        )
        return _as_dict(stub(request, timeout=TIMEOUT_S))

    def stream(self, method: str, **fields: Any) -> Iterator[Any]:
        """Many answers."""
        name, request, answer_type = self._prepare(method, fields)
        stub: Any = self._channel.unary_stream(
            name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_type.FromString,
        )
        return map(_as_dict, stub(request, timeout=TIMEOUT_S))

    def _prepare(self, method: str, fields: dict[str, Any]) -> tuple[str, Any, Any]:
        described = self._service.methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)()
        ParseDict(fields, request)
        answer_type = message_factory.GetMessageClass(described.output_type)
        return f"/{SERVICE}/{method}", request, answer_type


def follow(events: Iterator[Any], seen: list[str], ready: threading.Event) -> None:
    """Note the kind of each event until a final one."""
    for event in events:
        kinds = event.keys() - {"sequence", "time", "resume_token"}
        seen.extend(kinds)
        if "snapshot_complete" in kinds:
            ready.set()
        if kinds & FINAL_EVENTS:
            return


def main(runtime_file: str, game: str) -> None:
    """Do what a front end does."""
    runtime = json.loads(Path(runtime_file).read_text("utf-8"))
    with grpc.insecure_channel(runtime["address"]) as plain:
        api = Api(grpc.intercept_channel(plain, WithToken(runtime["token"])))
        games = api.call("ListGames")["games"]
        seen: list[str] = []
        ready = threading.Event()
        events = api.stream("WatchEvents")
        follower = threading.Thread(target=follow, args=(events, seen, ready))
        follower.start()
        ready.wait(TIMEOUT_S)
        download = api.call("DownloadGameFiles", game_id=game)["download"]
        follower.join(TIMEOUT_S)
        final = api.call("GetDownload", download_id=download["id"])["download"]
    ours = [name for name in sys.modules if name.startswith("lanspread")]
    print(json.dumps({"games": games, "events": seen, "download": final, "our_modules": ours}))


def _as_dict(message: Any) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
