"""Both ends of a session of large records, in memory."""

from lanspread_peer.transport.record_session import RecordSession
from lanspread_peer.wire.messages import Hello, HelloAck

HELLO = Hello(
    peer_id="d" * 52,
    instance="0" * 32,
    name="dialler",
    proto_min=1,
    proto_max=1,
    listen_port=1,
    certificate_chain=[""],
    signature="",
    record_secret="d1" * 32,
)
ACK = HelloAck(
    peer_id="l" * 52,
    instance="1" * 32,
    name="listener",
    proto_min=1,
    proto_max=1,
    listen_port=1,
    record_secret="15" * 32,
)


def record_ends(hello: Hello = HELLO) -> tuple[RecordSession, RecordSession]:
    """The dialler's and the listener's end."""
    return RecordSession(hello, ACK, is_dialler=True), RecordSession(hello, ACK, is_dialler=False)


def sealed(session: RecordSession, data: bytes) -> bytes:
    """What goes over the wire for these bytes."""
    session.write(data)
    return bytes(session.take_outgoing())


def feed(session: RecordSession, data: bytes) -> int:
    """Put as much of it as there is room for; how much that was."""
    room = session.room()
    count = min(len(room), len(data))
    room[:count] = data[:count]
    session.came(count)
    return count


def read_all(session: RecordSession, data: bytes, view_bytes: int = 65536) -> bytes:
    """What is opened of these bytes from the wire."""
    plain, view = b"", memoryview(bytearray(view_bytes))
    while data:
        data = data[feed(session, data) :]
        while count := session.read_into(view):
            plain += view[:count]
    return plain
