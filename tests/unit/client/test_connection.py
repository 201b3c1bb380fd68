import pytest

from lanspread.peer.v1 import events_pb2, types_pb2
from lanspread_client import Client, SyncClient
from lanspread_client.connection import Follower, StreamPlace, Target, download_request
from lanspread_client.errors import LanspreadError

NO_ANSWER = LanspreadError("NO_ANSWER", "no answer")
EXPIRED = LanspreadError("RESUME_TOKEN_EXPIRED", "too old")
OTHER = LanspreadError("UNAUTHENTICATED", "who are you")
Message = events_pb2.WatchEventsResponse


def test_the_token_stands_in_no_text() -> None:
    assert "secret" not in repr(Target("address", "secret", lambda: True))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "192.0.2.1:9",
            "0.0.0.0:9",
            "[2001:db8::1]:9",
            "localhost.example:9",
            "127.0.0.1.example:9",
        ),
        *("dns:///example:9", "ipv4:192.0.2.1:9,127.0.0.1:9", "", "9", "[::1]"),
    ],
)
@pytest.mark.parametrize("client", [Client, SyncClient])
async def test_another_machine_is_not_dialled_without_a_certificate(
    client: type[Client | SyncClient], address: str
) -> None:
    with pytest.raises(LanspreadError, match="expected the sidecar's certificate") as caught:
        client(address, "token")
    assert caught.value.reason == "TLS_REQUIRED"
    assert caught.value.metadata == {"address": address}


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9", "127.8.9.1:9", "[::1]:9", "localhost:9", "unix:/run/x", "unix:x:9"]
)
def test_this_machine_is_dialled_without_a_certificate(address: str) -> None:
    SyncClient(address, "token").close()


def place(*, is_running: bool = True, resume: str = "") -> StreamPlace:
    return StreamPlace(Target("address", "token", lambda: is_running), resume)


def test_a_stream_goes_on_after_the_last_message_that_has_a_token() -> None:
    stream = place()
    stream.receive(Message(resume_token="one"))
    stream.receive(Message())
    assert stream.resume_token == "one"


def test_pauses_grow_up_to_a_limit_and_tries_end() -> None:
    stream = place()
    pauses = [stream.pause_after(NO_ANSWER) for _ in range(8)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    with pytest.raises(LanspreadError) as caught:
        stream.pause_after(NO_ANSWER)
    assert caught.value is NO_ANSWER


def test_a_message_ends_a_row_of_tries() -> None:
    stream = place()
    for _ in range(20):
        assert stream.pause_after(NO_ANSWER) == 0.1
        stream.receive(Message(resume_token="one"))


def test_nobody_waits_for_a_sidecar_that_has_ended() -> None:
    with pytest.raises(LanspreadError):
        place(is_running=False).pause_after(NO_ANSWER)


def test_other_errors_end_the_stream() -> None:
    with pytest.raises(LanspreadError) as caught:
        place(resume="one").pause_after(OTHER)
    assert caught.value is OTHER


def test_an_expired_token_means_a_new_snapshot_at_once() -> None:
    stream = place(resume="one")
    assert stream.pause_after(EXPIRED) == 0.0
    assert stream.resume_token == ""
    with pytest.raises(LanspreadError):
        stream.pause_after(EXPIRED)


def test_a_request_has_an_id_of_its_own_and_a_selection_only_when_there_is_one() -> None:
    first, second = (download_request("aoe2", "", None, "") for _ in range(2))
    assert first.request_id
    assert first.request_id != second.request_id
    assert not first.HasField("selection")
    assert download_request("aoe2", "", [], "").HasField("selection")
    assert download_request("aoe2", "", ["a"], "mine").request_id == "mine"


def test_a_follower_picks_its_download_wherever_it_appears() -> None:
    follower = Follower(types_pb2.Download, "d1")
    mine, other = types_pb2.Download(id="d1"), types_pb2.Download(id="d2")
    item = events_pb2.SnapshotItem
    finished = events_pb2.DownloadGameFilesFinished
    messages = [
        (Message(snapshot_item=item(download=other)), None),
        (Message(snapshot_item=item(game=types_pb2.Game())), None),
        (Message(snapshot_item=item(download=mine)), mine),
        (Message(snapshot_complete=events_pb2.SnapshotComplete()), None),
        (Message(download_game_files_finished=finished(download=other)), None),
        (Message(download_game_files_finished=finished(download=mine)), mine),
        (Message(heartbeat=events_pb2.Heartbeat()), None),
        (Message(), None),
    ]
    for message, expected in messages:
        assert follower.pick(message) == expected


def test_a_download_that_is_not_in_the_snapshot_is_an_error() -> None:
    with pytest.raises(LanspreadError) as caught:
        Follower(types_pb2.Download, "d1").pick(
            Message(snapshot_complete=events_pb2.SnapshotComplete())
        )
    assert caught.value.reason == "DOWNLOAD_NOT_FOUND"
