"""What a peer is told in one request whose answer changes nothing."""

from contextlib import suppress

from lanspread_peer.model.errors import LanspreadError
from lanspread_peer.runtime.requests import ask
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages

_GOODBYE_TIMEOUT_S = 0.5


async def push_digest(connection: Connection, digest: str) -> None:
    """Our library changed; raises nothing."""
    # The next ping tells the peer as well, and finds out whether it lives.
    with suppress(LanspreadError):
        await ask(connection, messages.Ping(library_digest=digest), messages.Pong)


async def say_goodbye(connection: Connection) -> None:
    """We leave; raises nothing."""
    with suppress(LanspreadError):
        await ask(connection, messages.Goodbye(), messages.Bye, timeout_s=_GOODBYE_TIMEOUT_S)
