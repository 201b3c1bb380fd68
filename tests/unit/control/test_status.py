import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from lanspread_peer.control.status import STATUS_CODES, code_of, to_status
from lanspread_peer.model.errors import GameNotFound, InvalidField, LanspreadError
from lanspread_peer.model.limits import MAX_ERROR_METADATA, MAX_ERROR_TEXT_BYTES


def all_errors(root: type[LanspreadError] = LanspreadError) -> set[type[LanspreadError]]:
    # Only those of the tree: a test may define its own.
    children = [cls for cls in root.__subclasses__() if cls.__module__.startswith("lanspread_peer")]
    return {root}.union(*map(all_errors, children))


def test_every_error_of_the_tree_is_in_the_table() -> None:
    assert all_errors() == set(STATUS_CODES)


def test_no_error_looks_like_a_sidecar_that_does_not_answer() -> None:
    refused = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED}
    assert not refused & set(STATUS_CODES.values())


def test_an_error_that_is_not_in_the_table_counts_as_its_parent() -> None:
    class NewError(GameNotFound):
        pass

    assert code_of(NewError("x")) is grpc.StatusCode.NOT_FOUND


def test_the_reason_and_every_value_go_with_the_code() -> None:
    status = to_status(GameNotFound("nobody has aoe2", game_id="aoe2"))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message) == (5, "nobody has aoe2")
    assert (info.reason, info.domain) == ("GAME_NOT_FOUND", "lanspread.peer")
    assert dict(info.metadata) == {"game_id": "aoe2"}


def test_a_wrong_field_is_a_bad_request_too() -> None:
    status = to_status(InvalidField("port", "a number", "x"))
    bad_request = BadRequest()
    assert status.details[1].Unpack(bad_request)
    violation = bad_request.field_violations[0]
    assert (violation.field, violation.description) == ("port", "expected a number")


@pytest.mark.parametrize("letter", ["x", "\u00e4", "\U0001f3ae", "\ud800"])
def test_a_status_fits_the_metadata_whatever_the_message(letter: str) -> None:
    values = {f"key{number}": letter * 2000 for number in range(20)}
    status = to_status(LanspreadError(letter * 2000, **values))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert len(status.message.encode()) <= MAX_ERROR_TEXT_BYTES
    assert len(info.metadata) == MAX_ERROR_METADATA
    assert all(len(value.encode()) <= MAX_ERROR_TEXT_BYTES for value in info.metadata.values())
    # gRPC sends the message percent-encoded and the whole status in base64, within 8 KiB.
    assert 3 * len(status.message.encode()) + 4 * status.ByteSize() / 3 < 8000
