"""Callers: who dialled us, and the proof that it is who it says.

An accepted connection gets one nonce, for one Hello. Whoever fails to prove its id with it, or
says nothing for too long, is sent away; the connection of a proven caller has its peer id, and
only then is anything else answered. At a party the other end of any proven connection, whoever
dialled, may prove itself again, as it has a new certificate.
"""

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_bytes
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, finalize, ref

from lanspread_peer.model import errors
from lanspread_peer.model.ids import InstanceId, PeerId, parse_peer_id
from lanspread_peer.model.limits import REQUEST_TIMEOUT_S
from lanspread_peer.runtime.identity import QUIC, Identity
from lanspread_peer.runtime.refusals import Refusals
from lanspread_peer.runtime.warn_once import WarnOnce
from lanspread_peer.wire import messages
from lanspread_peer.wire.hello_statement import NONCE_BYTES, hello_statement

# So long the refusal may take to arrive, as the end of the connection would overtake it.
_LAST_WORD_S = 0.5


class Caller(Protocol):
    """An accepted connection of any transport."""

    @property
    def peer_id(self) -> PeerId | None:
        """The id that it proved, or None."""
        ...

    def identify(self, peer_id: PeerId) -> None:
        """Note the id that it proved."""
        ...

    def close(self, detail: str = "") -> None:
        """End it."""
        ...


_Caller = TypeVar("_Caller", bound=Caller)


class Callers(Generic[_Caller]):
    """The accepted connections of one sidecar, until they are proven."""

    def __init__(
        self,
        identity: Identity,
        own_ack: Callable[[], messages.HelloAck],
        on_proven: Callable[[_Caller, messages.Hello], Awaitable[None]],
        warnings: WarnOnce,
        refusals: Refusals,
        *,
        transport: str,
    ) -> None:
        self._refusals = refusals
        self._transport = transport
        self._identity = identity
        self._own_ack = own_ack
        self._on_proven = on_proven
        self._warnings = warnings
        self.refused_count = 0
        # None once it was used.
        self._nonces: WeakKeyDictionary[_Caller, bytes | None] = WeakKeyDictionary()

    def expect_hello(self, connection: _Caller) -> None:
        """Send this connection away unless it proves an id soon."""

        # Whoever says nothing must not hold one of the few connections there are. The timer must
        # not hold it either: one that ended is of no use, and may have megabytes in its buffers.
        timer = asyncio.get_running_loop().call_later(
            REQUEST_TIMEOUT_S, _require_hello, ref(connection)
        )
        finalize(connection, timer.cancel).atexit = False

    def challenge(self, connection: _Caller) -> messages.Nonce:
        """The nonce of this connection; raises Refused when it has one already."""
        if not self._may_renew(connection) and (
            connection.peer_id is not None or connection in self._nonces
        ):
            raise errors.Refused("expected one Challenge, from the caller")
        nonce = self._nonces[connection] = token_bytes(NONCE_BYTES)
        return messages.Nonce(nonce=nonce.hex())

    async def greet(self, connection: _Caller, hello: messages.Hello) -> messages.HelloAck:
        """Take in a caller that proved its id; else the connection ends.

        One that proves it again keeps its connection, whatever comes of that. Raises
        IdentityMismatch, or Refused with the reason.
        """
        if self._may_renew(connection):
            self._renew(connection, hello)
            return self._own_ack()
        try:
            peer_id = self._prove(connection, hello)
            if not messages.is_common_version(hello):
                self._warnings.other_version(peer_id, hello.proto_min, hello.proto_max)
                raise errors.Refused(f"this sidecar speaks protocol {messages.PROTOCOL_VERSION}")
            await self._on_proven(connection, hello)
        except errors.NotAMember as error:
            self.send_away(connection, error.reason)
            raise
        except errors.LanspreadError as error:
            self.refused_count += 1
            self.send_away(connection, error.message)
            raise
        connection.identify(peer_id)
        return self._own_ack()

    def send_away(self, connection: _Caller, detail: str) -> None:
        """End this connection, once what was answered has had the time to arrive."""
        asyncio.get_running_loop().call_later(_LAST_WORD_S, connection.close, detail)

    def _may_renew(self, connection: _Caller) -> bool:
        if connection.peer_id is None or self._transport != QUIC:
            # What is proved by QUIC counts for all connections of the peer.
            return False
        return self._identity.credentials.is_members_only

    def _renew(self, connection: _Caller, hello: messages.Hello) -> None:
        if hello.peer_id != connection.peer_id:
            raise errors.IdentityMismatch("this connection is another peer's")
        self._check(connection, hello)

    def _prove(self, connection: _Caller, hello: messages.Hello) -> PeerId:
        if connection.peer_id is not None:
            raise errors.Refused("expected one Hello, from the caller")
        return self._check(connection, hello)

    def _check(self, connection: _Caller, hello: messages.Hello) -> PeerId:
        nonce = self._nonces.get(connection)
        if nonce is None:
            raise errors.Refused("expected a Challenge first, and a nonce for each Hello")
        self._nonces[connection] = None
        claimed = parse_peer_id(hello.peer_id)
        statement = hello_statement(
            transport=self._transport,
            server=self._identity.peer_id,
            client=claimed,
            instance=InstanceId(hello.instance),
            nonce=nonce,
        )
        try:
            self._identity.credentials.check_caller(
                claimed, hello.certificate_chain, hello.signature, statement
            )
        except errors.NotAMember as error:
            if "peer_id" in error.metadata:
                self._refusals.refused(error)
            raise
        return claimed


def _require_hello(caller: "ref[_Caller]") -> None:
    connection = caller()
    if connection is not None and connection.peer_id is None:
        connection.close("no Hello came")
