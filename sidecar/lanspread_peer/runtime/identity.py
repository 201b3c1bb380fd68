"""Who this sidecar is to others: its id, this launch of it, its name, and the key behind it."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.wire.messages import PROTOCOL_VERSION, Hello, HelloAck


@dataclass(frozen=True, slots=True)
class Identity:
    """Made at start, never changed."""

    peer_id: PeerId
    instance: InstanceId
    name: str
    private_key: ec.EllipticCurvePrivateKey

    def hello(self, listen_port: int, library_digest: str) -> Hello:
        """The first request on a connection that we dialled."""
        return Hello(
            peer_id=self.peer_id,
            instance=self.instance,
            name=self.name,
            proto_min=PROTOCOL_VERSION,
            proto_max=PROTOCOL_VERSION,
            listen_port=listen_port,
            library_digest=library_digest,
        )

    def hello_ack(self, listen_port: int, library_digest: str) -> HelloAck:
        """The answer to a caller's Hello."""
        return HelloAck(
            peer_id=self.peer_id,
            instance=self.instance,
            name=self.name,
            proto_min=PROTOCOL_VERSION,
            proto_max=PROTOCOL_VERSION,
            listen_port=listen_port,
            library_digest=library_digest,
        )
