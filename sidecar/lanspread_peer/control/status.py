"""Errors of the tree as gRPC statuses: the one table, and the details that go with a code.

A client gets the reason, the sentence and its values, never a stack or a path of ours. An error
nobody foresaw is logged here, once, and told as INTERNAL without its text.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from lanspread_peer.model import errors
from lanspread_peer.model.limits import MAX_ERROR_METADATA, MAX_ERROR_TEXT_BYTES

DOMAIN = "lanspread.peer"

# UNAVAILABLE is not among them: clients take it for a sidecar that does not answer, and retry.
STATUS_CODES: dict[type[errors.LanspreadError], grpc.StatusCode] = {
    errors.LanspreadError: grpc.StatusCode.INTERNAL,
    errors.RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidField: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidSetting: grpc.StatusCode.INVALID_ARGUMENT,
    errors.GameNotFound: grpc.StatusCode.NOT_FOUND,
    errors.NoPeersHaveGame: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ContentNotFound: grpc.StatusCode.NOT_FOUND,
    errors.NoVersionChosen: grpc.StatusCode.FAILED_PRECONDITION,
    errors.EmptySelection: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PathNotInManifest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DownloadNotFound: grpc.StatusCode.NOT_FOUND,
    errors.DownloadActive: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DownloadEnded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyDownloads: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StagingNotFound: grpc.StatusCode.NOT_FOUND,
    errors.VerificationNotFound: grpc.StatusCode.NOT_FOUND,
    errors.TooManyVerifications: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.GameIndexing: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ShuttingDown: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyDownloaded: grpc.StatusCode.ALREADY_EXISTS,
    errors.GameDirUnusable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyRunning: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CannotBind: grpc.StatusCode.FAILED_PRECONDITION,
    errors.HandshakeRefused: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PeerUnreachable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.PeerNotFound: grpc.StatusCode.NOT_FOUND,
    errors.TooManyBlocked: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.InvalidCertificate: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ResumeTokenExpired: grpc.StatusCode.OUT_OF_RANGE,
    errors.PeerProtocolError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.MalformedMessage: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnknownMessage: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsafePath: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InvalidManifest: grpc.StatusCode.FAILED_PRECONDITION,
    errors.IdentityMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SourceUnavailable: grpc.StatusCode.ABORTED,
    errors.ConnectionLost: grpc.StatusCode.ABORTED,
    errors.StreamReset: grpc.StatusCode.ABORTED,
    errors.Stalled: grpc.StatusCode.ABORTED,
    errors.Busy: grpc.StatusCode.ABORTED,
    errors.Stale: grpc.StatusCode.ABORTED,
    errors.NotFoundByPeer: grpc.StatusCode.ABORTED,
    errors.NotIndexed: grpc.StatusCode.ABORTED,
    errors.Unsupported: grpc.StatusCode.ABORTED,
    errors.Refused: grpc.StatusCode.ABORTED,
    errors.NotAMember: grpc.StatusCode.ABORTED,
    errors.CertificateExpired: grpc.StatusCode.ABORTED,
    errors.CertificateNotYetValid: grpc.StatusCode.ABORTED,
    errors.IntegrityError: grpc.StatusCode.DATA_LOSS,
    errors.StorageError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DiskFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.AccessDenied: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReadOnlyDisk: grpc.StatusCode.FAILED_PRECONDITION,
    errors.FileLocked: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DiskFailure: grpc.StatusCode.FAILED_PRECONDITION,
    errors.GameDirGone: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsafeGame: grpc.StatusCode.FAILED_PRECONDITION,
    errors.DownloadFailed: grpc.StatusCode.ABORTED,
}

# What is no error of the tree: calls that reach no method of ours, and what nobody foresaw.
OTHER_REASONS = {
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "NO_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "TOO_MANY_CALLS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "ENDING": grpc.StatusCode.ABORTED,
}

_log = structlog.get_logger(__name__)

S = TypeVar("S")
Request = TypeVar("Request")
Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]


def code_of(error: errors.LanspreadError) -> grpc.StatusCode:
    """The code of the nearest class of the error that the table has."""
    return next(STATUS_CODES[cls] for cls in type(error).__mro__ if cls in STATUS_CODES)


def to_status(error: errors.LanspreadError) -> Status:
    """The code, the sentence, an ErrorInfo, and a BadRequest for a wrong field."""
    details = [_info(error.reason, error.metadata)]
    if isinstance(error, errors.InvalidField):
        details.append(_bad_request(error))
    return _status(code_of(error), error.message, *details)


def unauthenticated() -> Status:
    """What a call without the launch's token is told."""
    return _other("UNAUTHENTICATED", "expected the token of this launch")


def no_request() -> Status:
    """What a call is told whose request does not come."""
    return _other("NO_REQUEST", "expected a request with the call")


def too_many_calls() -> Status:
    """What a call is told that finds no place."""
    return _other("TOO_MANY_CALLS", "too many calls are running")


async def abort(context: Context, status: Status) -> NoReturn:
    """End the call with this status."""
    await context.abort_with_status(rpc_status.to_status(status))


def answering(
    method: Callable[[S, Request, Context], Awaitable[Answer]],
) -> Callable[[S, Request, Context], Awaitable[Answer]]:
    """A servicer's method whose errors become statuses; it never leaves its client hanging."""

    @wraps(method)
    async def answer(self: S, request: Request, context: Context) -> Answer:
        try:
            return await method(self, request, context)
        except grpc.aio.AbortError:
            raise
        except errors.LanspreadError as error:
            status = to_status(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            # Something that the method waited for was cancelled, but not the call itself: gRPC
            # would take that for the client's wish, and the client would wait for ever.
            status = _other("ENDING", "the sidecar is ending")
        except Exception:  # noqa: BLE001 - the outermost frame of ours: all else is gRPC
            _log.exception("call failed", method=method.__name__)
            status = _other("INTERNAL", "an error inside the sidecar; its log says more")
        return await abort(context, status)

    return answer


def _other(reason: str, message: str) -> Status:
    return _status(OTHER_REASONS[reason], message, _info(reason, {}))


def _status(code: grpc.StatusCode, message: str, *details: AnyMessage) -> Status:
    return Status(code=code.value[0], message=_bounded(message), details=details)


def _info(reason: str, metadata: dict[str, str]) -> AnyMessage:
    bounded = {key: _bounded(value) for key, value in list(metadata.items())[:MAX_ERROR_METADATA]}
    return _packed(ErrorInfo(reason=reason, domain=DOMAIN, metadata=bounded))


def _bad_request(error: errors.InvalidField) -> AnyMessage:
    violation = BadRequest.FieldViolation(
        field=_bounded(error.field), description=_bounded(f"expected {error.expected}")
    )
    return _packed(BadRequest(field_violations=[violation]))


def _packed(message: ErrorInfo | BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _bounded(text: str) -> str:
    return text.encode("utf-8", "replace")[:MAX_ERROR_TEXT_BYTES].decode("utf-8", "ignore")
