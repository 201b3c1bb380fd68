"""Greeting: what the dialler says first, and what it insists on hearing."""

from collections.abc import Callable

from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime.requests import ask
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.transport.base import Connection
from lanspread_peer.wire import messages

OwnHello = Callable[[PeerId, bytes], messages.Hello]


class Greeter:
    """Proves who we are on connections that we dialled."""

    def __init__(self, own_hello: OwnHello, warnings: WarnOnce) -> None:
        self._own_hello = own_hello
        self._warnings = warnings

    async def greet(self, connection: Connection) -> messages.HelloAck:
        """Who answers, by its own word; its id is that of its certificate.

        Raises SourceUnavailable, MalformedMessage, or IdentityMismatch when it names another id.
        """
        assert connection.peer_id is not None
        answer = await ask(connection, messages.Challenge(), messages.Nonce)
        hello = self._own_hello(connection.peer_id, bytes.fromhex(answer.nonce))
        ack = await ask(connection, hello, messages.HelloAck)
        if ack.peer_id != connection.peer_id:
            raise errors.IdentityMismatch(f"the peer calls itself {ack.peer_id}")
        if not messages.is_common_version(ack):
            self._warnings.other_version(ack.peer_id, ack.proto_min, ack.proto_max)
            raise errors.Unsupported(f"it speaks protocol {ack.proto_min} to {ack.proto_max}")
        return ack
