"""Refusals: the messages that say no, and the errors they stand for."""

from lanspread_peer.model import errors
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message

_MAX_DETAIL_CHARS = 500
_MAX_SHOWN_CHARS = 200
_KINDS: dict[str, type[errors.Refused]] = {
    kind.reason: kind
    for kind in (errors.NotAMember, errors.CertificateExpired, errors.CertificateNotYetValid)
}


def refusal_of(error: errors.LanspreadError) -> Message:
    """The message that tells a peer of this error."""
    match error:
        case errors.UnknownMessage() | errors.Unsupported():
            return messages.Unsupported()
        case errors.NotFoundByPeer():
            return messages.NotFound()
        case errors.Busy(retry_ms=retry_ms):
            return messages.Busy(retry_ms=retry_ms)
        case errors.Stale() | errors.StorageError():
            return messages.Stale()
        case errors.NotIndexed(progress=progress):
            return messages.NotIndexed(progress=progress)
        case errors.CertificateExpired() | errors.CertificateNotYetValid():
            detail = error.message[:_MAX_DETAIL_CHARS]
            return messages.Refused(detail=detail, reason=error.reason)
        case errors.NotAMember():
            # A stranger learns no more than that it is one.
            return messages.Refused(reason=error.reason)
        case _:
            return messages.Refused(detail=error.message[:_MAX_DETAIL_CHARS])


def error_in(answer: Message) -> errors.LanspreadError:
    """The error that a peer meant; MalformedMessage when the answer is none of these messages."""
    match answer:
        case messages.Busy(retry_ms=retry_ms):
            return errors.Busy(retry_ms)
        case messages.Stale():
            return errors.Stale("the peer's files changed")
        case messages.NotFound():
            return errors.NotFoundByPeer("the peer does not have it")
        case messages.NotIndexed(progress=progress):
            return errors.NotIndexed(progress)
        case messages.Unsupported():
            return errors.Unsupported("the peer does not know this request")
        case messages.Refused(detail=detail, reason=reason):
            kind = _KINDS.get(reason, errors.Refused)
            return kind(f"the peer refuses: {detail[:_MAX_SHOWN_CHARS]!a}")
        case _:
            return errors.MalformedMessage(f"unexpected answer {type(answer).__name__}")
