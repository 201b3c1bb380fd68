"""The codes with which a data stream is reset, and the errors they stand for (design section 5)."""

from enum import IntEnum

from lanspread_peer.model import errors


class StreamCode(IntEnum):
    """Why a data request gets no bytes, or no more of them."""

    BUSY = 1
    STALE = 2
    NOT_FOUND = 3
    NOT_INDEXED = 4
    UNSUPPORTED = 5
    REFUSED = 6


# A reset carries no text, so the hint that a Busy message has is a constant here.
BUSY_RETRY_MS = 300


def code_of(error: errors.LanspreadError) -> StreamCode:
    """The code that tells a peer of this error."""
    match error:
        case errors.Busy():
            return StreamCode.BUSY
        case errors.Stale() | errors.StorageError():
            return StreamCode.STALE
        case errors.NotFoundByPeer():
            return StreamCode.NOT_FOUND
        case errors.NotIndexed():
            return StreamCode.NOT_INDEXED
        case errors.Unsupported() | errors.UnknownMessage():
            return StreamCode.UNSUPPORTED
        case _:
            return StreamCode.REFUSED


def error_of(code: int) -> errors.SourceUnavailable:
    """The error that a peer meant with this code; StreamReset for an unknown one."""
    match code:
        case StreamCode.BUSY:
            return errors.Busy(BUSY_RETRY_MS)
        case StreamCode.STALE:
            return errors.Stale("the file changed at the peer since it was hashed")
        case StreamCode.NOT_FOUND:
            return errors.NotFoundByPeer("the peer does not have it")
        case StreamCode.NOT_INDEXED:
            return errors.NotIndexed(0)
        case StreamCode.UNSUPPORTED:
            return errors.Unsupported("the peer does not know this request")
        case StreamCode.REFUSED:
            return errors.Refused("the peer refuses this request")
        case _:
            return errors.StreamReset(code)
