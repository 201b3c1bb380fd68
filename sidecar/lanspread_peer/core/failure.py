"""Why a request to a source ended without its chunk, as far as the planner cares."""

from enum import Enum

from lanspread_peer.model import errors


class Failure(Enum):
    """What happened; see Planner.failed for what follows from each."""

    WRONG_BYTES = "wrong bytes"
    STALLED = "stalled"
    REFUSED = "refused"
    BUSY = "busy"
    LOST = "lost"
    CANCELLED = "cancelled"


def failure_of(error: errors.LanspreadError) -> Failure:
    """The failure that an error of a request stands for.

    A source that does not have it, has it changed, is still hashing it, or broke the protocol
    refuses: it may be asked again a few times, and not for ever.
    """
    match error:
        case errors.IntegrityError():
            return Failure.WRONG_BYTES
        case errors.Stalled():
            return Failure.STALLED
        case errors.Busy():
            return Failure.BUSY
        case errors.ConnectionLost():
            return Failure.LOST
        case _:
            return Failure.REFUSED
