from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread_client.cli.event_lines import _FACTS, event_line

Message = events_pb2.WatchEventsResponse


def test_every_event_that_says_something_is_told_with_it() -> None:
    kinds = {field.name for field in Message.DESCRIPTOR.oneofs_by_name["event"].fields}
    assert set(_FACTS) == kinds - {"heartbeat", "snapshot_complete"}
    for kind in kinds:
        message = Message()
        getattr(message, kind).SetInParent()
        assert kind.replace("_", " ") in event_line(message)


def test_a_line_has_the_number_and_the_facts() -> None:
    failed = events_pb2.DownloadGameFilesFailed(
        download=types_pb2.Download(
            id="d1",
            game_id="aoe2",
            state=types_pb2.DOWNLOAD_STATE_FAILED,
            error=types_pb2.DownloadError(reason="NO_SOURCE", message="all\x1b gone"),
        )
    )
    line = event_line(Message(sequence=12, download_game_files_failed=failed))
    assert line.endswith(
        "   #12 download game files failed aoe2 (d1) failed, 0 B of 0 B: all\\x1b gone"
    )


def test_an_event_of_a_later_version_is_a_line_too() -> None:
    assert "unknown event" in event_line(Message())
