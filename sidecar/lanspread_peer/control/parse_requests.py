"""What requests must say, where the model has no parser for it."""

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread_peer.control.paging import parse_token
from lanspread_peer.model.errors import EmptySelection, InvalidField
from lanspread_peer.model.ids import ContentId, DownloadId, VerificationId, parse_content_id
from lanspread_peer.model.limits import MAX_ID_CHARACTERS

# What page tokens of ListGameFiles call their list, before the content id.
FILES_LIST = "files:"


def optional_content_id(text: str) -> ContentId | None:
    """None for an empty text; raises InvalidField."""
    return parse_content_id(text) if text else None


def content_id_of_page(request: pb.ListGameFilesRequest) -> ContentId | None:
    """The variant that the request names, or whose first pages the client was given.

    Raises InvalidField.
    """
    named = optional_content_id(request.content_id)
    if not request.page_token or named:
        return named
    name = parse_token(request.page_token).of
    if not name.startswith(FILES_LIST):
        raise InvalidField("page_token", "the next_page_token of the previous page")
    return parse_content_id(name.removeprefix(FILES_LIST))


def selected_paths(request: pb.DownloadGameFilesRequest) -> tuple[str, ...] | None:
    """None for all files; raises EmptySelection."""
    if not request.HasField("selection"):
        return None
    if not request.selection.paths:
        raise EmptySelection("selection: expected at least one path")
    return tuple(request.selection.paths)


def parse_download_id(text: str) -> DownloadId:
    """Raises InvalidField unless it can be one."""
    if not text:
        raise InvalidField("download_id", "the id of a download")
    return DownloadId(bounded_id(text, "download_id"))


def parse_verification_id(text: str) -> VerificationId:
    """Raises InvalidField unless it can be one."""
    if not text:
        raise InvalidField("verification_id", "the id of a verification")
    return VerificationId(bounded_id(text, "verification_id"))


def bounded_id(text: str, field: str) -> str:
    """An id that the client made up; raises InvalidField for one that is too long."""
    if len(text) > MAX_ID_CHARACTERS:
        raise InvalidField(field, f"at most {MAX_ID_CHARACTERS} characters")
    return text
