"""Dialling by TLS: connect, check whose key it is, and prove who we are."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import TypeVar

from cryptography.x509 import Certificate
from msgspec.structs import replace

from lanspread_peer.model.errors import (
    ConnectionLost,
    IdentityMismatch,
    LanspreadError,
    MalformedMessage,
)
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import (
    HANDSHAKE_TIMEOUT_S,
    MAX_SHORT_ANSWER_BYTES,
    REQUEST_TIMEOUT_S,
)
from lanspread_peer.model.peer import Address
from lanspread_peer.transport.certificate import peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.record_session import RecordSession
from lanspread_peer.transport.tls_line import TlsLine
from lanspread_peer.transport.tls_session import TlsSession
from lanspread_peer.transport.udp_socket import socket_address_of
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer
from lanspread_peer.wire.frames import FrameBuffer, encode_frame
from lanspread_peer.wire.messages import Message
from lanspread_peer.wire.refusals import error_in

# Our Hello to this server, which gave this nonce; its proof must be for the TLS transport.
OwnHello = Callable[[PeerId, bytes], messages.Hello]

_Answer = TypeVar("_Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class Dialling:
    """How this node dials, and whom it goes on with. `bind` is where it calls from, or empty."""

    context: ssl.SSLContext
    credentials: Credentials
    own_hello: OwnHello
    bind: str

    async def dial(self, address: Address, expected: PeerId) -> TlsLine:
        """A line to this peer, which knows who we are; the caller closes it.

        Raises ConnectionLost, IdentityMismatch when another key answers, NotAMember and its kin
        when that is not let in, MalformedMessage, or what the peer refuses with.
        """
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                line, certificate = await self._connect(address)
        except TimeoutError as error:
            raise ConnectionLost(f"{address} does not answer", address=str(address)) from error
        try:
            _check(peer_id_of_certificate(certificate), expected, address)
            self.credentials.admit(certificate)
            await self._greet(line, expected)
        except BaseException:
            line.close()
            raise
        return line

    async def _connect(self, address: Address) -> tuple[TlsLine, Certificate]:
        connected = await self._connect_tcp(address)
        tls = TlsSession(self.context, is_server=False)
        line = TlsLine(connected, tls)
        try:
            await line.shake_hands()
            certificate = tls.certificate()
        except BaseException:
            line.close()
            raise
        return line, certificate

    async def _connect_tcp(self, address: Address) -> socket.socket:
        family, target = socket_address_of(address)
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            if self.bind:
                connected.bind((self.bind, 0))
            await asyncio.get_running_loop().sock_connect(connected, target)
        except OSError as error:
            connected.close()
            raise ConnectionLost(
                f"cannot reach {address}: {error}", address=str(address)
            ) from error
        except BaseException:
            connected.close()
            raise
        return connected

    async def _greet(self, line: TlsLine, expected: PeerId) -> None:
        frames = FrameBuffer(MAX_SHORT_ANSWER_BYTES)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                nonce = await _ask(line, frames, messages.Challenge(), messages.Nonce)
                hello = replace(
                    self.own_hello(expected, bytes.fromhex(nonce.nonce)),
                    record_secret=token_hex(messages.RECORD_SECRET_BYTES),
                )
                ack = await _ask(line, frames, hello, messages.HelloAck)
        except TimeoutError as error:
            raise ConnectionLost("the peer does not answer the Hello") from error
        if ack.peer_id != expected:
            raise IdentityMismatch(f"the peer calls itself {ack.peer_id}")
        if not frames.is_empty:
            raise MalformedMessage("bytes that nobody asked for")
        if ack.record_secret:
            line.go_on_with(RecordSession(hello, ack, is_dialler=True))


async def _ask(
    line: TlsLine, frames: FrameBuffer, request: Message, expected: type[_Answer]
) -> _Answer:
    await line.send(encode_frame(request))
    while (body := frames.take()) is None:
        frames.add(await line.receive())
    answer = decode_answer(body)
    if isinstance(answer, expected):
        return answer
    error: LanspreadError = error_in(answer)
    raise error


def _check(actual: PeerId, expected: PeerId, address: Address) -> None:
    if actual != expected:
        raise IdentityMismatch(
            f"{address} is peer {actual}, not {expected}",
            address=str(address),
            expected=expected,
            actual=actual,
        )
