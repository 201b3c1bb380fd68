"""Who this sidecar is to others: its id, this launch of it, its name, and what proves it."""

from dataclasses import dataclass

from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.transport.credentials import Credentials
from lanspread_peer.transport.hello_proof import sign
from lanspread_peer.wire.hello_statement import hello_statement
from lanspread_peer.wire.messages import PROTOCOL_VERSION, Feature, Hello, HelloAck

# The transport that a proof is for, so that it is worth nothing on another one.
QUIC, TLS = "quic", "tls"


@dataclass(slots=True)
class Identity:
    """Made at start; only its name may change, which those hear who connect from then on."""

    peer_id: PeerId
    instance: InstanceId
    name: str
    credentials: Credentials

    def hello(
        self,
        *,
        server: PeerId,
        nonce: bytes,
        listen_port: int,
        library_digest: str,
        bulk_port: int = 0,
        transport: str = QUIC,
        dials_back: bool = False,
    ) -> Hello:
        """What proves to this server, which gave the nonce, who dialled it."""
        statement = hello_statement(
            transport=transport,
            server=server,
            client=self.peer_id,
            instance=self.instance,
            nonce=nonce,
        )
        return Hello(
            peer_id=self.peer_id,
            instance=self.instance,
            name=self.name,
            proto_min=PROTOCOL_VERSION,
            proto_max=PROTOCOL_VERSION,
            listen_port=listen_port,
            certificate_chain=list(self.credentials.chain),
            signature=sign(self.credentials.key, statement),
            library_digest=library_digest,
            features=list(Feature),
            bulk_port=bulk_port,
            dials_back=dials_back,
        )

    def hello_ack(self, listen_port: int, library_digest: str, bulk_port: int = 0) -> HelloAck:
        """The answer to a caller's Hello."""
        return HelloAck(
            peer_id=self.peer_id,
            instance=self.instance,
            name=self.name,
            proto_min=PROTOCOL_VERSION,
            proto_max=PROTOCOL_VERSION,
            listen_port=listen_port,
            library_digest=library_digest,
            features=list(Feature),
            bulk_port=bulk_port,
        )
