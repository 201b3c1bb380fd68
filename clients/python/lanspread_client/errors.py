"""The one error that the library raises, with everything the sidecar said about it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

NOT_RUNNING = "NOT_RUNNING"
NO_ANSWER = "NO_ANSWER"
SPAWN_FAILED = "SPAWN_FAILED"
SPAWN_TIMEOUT = "SPAWN_TIMEOUT"
HANDSHAKE_INVALID = "HANDSHAKE_INVALID"
API_UNSUPPORTED = "API_UNSUPPORTED"
STREAM_ENDED = "STREAM_ENDED"
TLS_REQUIRED = "TLS_REQUIRED"
RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED"  # noqa: S105 - a reason, not a secret


class LanspreadError(Exception):
    """A call that failed.

    `reason` is stable and in UPPER_SNAKE; decide by it. `message` is a sentence for people,
    `metadata` holds its values, `code` is the gRPC code, or None when no call was made.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: Mapping[str, str] | None = None,
        code: grpc.StatusCode | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.code = code


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turns gRPC's errors into LanspreadError."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_of(error) from error


def error_of(error: grpc.RpcError) -> LanspreadError:
    """What a failed call said; a sidecar that does not answer has the reason NO_ANSWER."""
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name
    info = _info_of(error)
    if info is not None:
        return LanspreadError(info.reason, message, info.metadata, code)
    if code is grpc.StatusCode.UNAVAILABLE:
        return LanspreadError(NO_ANSWER, "the sidecar does not answer", code=code)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return LanspreadError(code.name, "the sidecar took too long to answer", code=code)
    return LanspreadError(code.name, message, code=code)


def _info_of(error: grpc.RpcError) -> ErrorInfo | None:
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return None
    info = ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info
    return None
