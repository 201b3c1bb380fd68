"""Both ends of a session of large records, in memory."""

from lanspread_peer.transport.record_session import RecordSession

DIALLER, LISTENER = "d1" * 32, "15" * 32


def record_ends() -> tuple[RecordSession, RecordSession]:
    """The dialler's and the listener's end."""
    return (
        RecordSession(dialler=DIALLER, listener=LISTENER, is_dialler=True),
        RecordSession(dialler=DIALLER, listener=LISTENER, is_dialler=False),
    )


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
