"""Peers that hold nothing and only stay connected, on the real transport, in one process.

`python -m bench.idle_peers COUNT` prints their addresses as one JSON line and ends with its
standard input. They answer what a peer must answer to be one.
"""

import asyncio
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import LanspreadError
from lanspread_peer.model.ids import InstanceId
from lanspread_peer.runtime.identity import Identity
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.quic_endpoint import QuicTransport
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_request, encode
from lanspread_peer.wire.hello_statement import NONCE_BYTES

# A sidecar lets half of its connections be of one address; all of 127/8 is this machine.
HOSTS = ("127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4")


class IdlePeer:
    """One of them."""

    def __init__(self, number: int) -> None:
        credentials = Credentials(ec.generate_private_key(ec.SECP256R1()))
        instance = InstanceId(f"{number:032x}")
        self._identity = Identity(credentials.peer_id, instance, f"idle{number}", credentials)
        host = HOSTS[number % len(HOSTS)]
        self.transport = QuicTransport.open(
            bind=host, port=0, credentials=credentials, on_stream=self._serve
        )
        self.address = f"{host}:{self.transport.port}"

    async def _serve(self, _connection: Connection, stream: Stream) -> None:
        request = bytearray()
        while part := await stream.receive():
            request += part
        try:
            answer = self._answer(decode_request(bytes(request)))
            await stream.send(encode(answer), end=True)
        except LanspreadError:
            # Whoever asked is gone.
            return

    def _answer(self, request: messages.Message) -> messages.Message:
        match request:
            case messages.Challenge():
                return messages.Nonce("5a" * NONCE_BYTES)
            case messages.Hello():
                return self._identity.hello_ack(self.transport.port, "")
            case messages.Ping():
                return messages.Pong("")
            case messages.ListGames():
                return messages.Games("", [])
            case messages.GetPeers():
                return messages.Peers([])
            case messages.Goodbye():
                return messages.Bye()
            case _:
                return messages.Unsupported()


async def run(count: int) -> None:
    """Be so many peers until standard input ends."""
    peers = [IdlePeer(number) for number in range(count)]
    print(json.dumps([peer.address for peer in peers]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for peer in peers:
        await peer.transport.close()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
