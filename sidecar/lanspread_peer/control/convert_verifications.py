"""Verifications of the model as messages of the control API."""

from lanspread.peer.v1 import types_pb2
from lanspread_peer.control.convert import encodable, to_timestamp
from lanspread_peer.model.verification import (
    Finding,
    FindingKind,
    VerificationState,
    VerificationStatus,
)

_STATES = {
    VerificationState.QUEUED: types_pb2.VERIFICATION_STATE_QUEUED,
    VerificationState.RUNNING: types_pb2.VERIFICATION_STATE_RUNNING,
    VerificationState.FINISHED: types_pb2.VERIFICATION_STATE_FINISHED,
    VerificationState.FAILED: types_pb2.VERIFICATION_STATE_FAILED,
    VerificationState.CANCELLED: types_pb2.VERIFICATION_STATE_CANCELLED,
}
_KINDS = {
    FindingKind.MISSING: types_pb2.FINDING_KIND_MISSING,
    FindingKind.CHANGED: types_pb2.FINDING_KIND_CHANGED,
    FindingKind.EXTRA: types_pb2.FINDING_KIND_EXTRA,
}


def to_verification(value: VerificationStatus) -> types_pb2.Verification:
    return types_pb2.Verification(
        id=value.id,
        game_id=value.game_id,
        content_id=value.content_id,
        state=_STATES[value.state],
        total_bytes=value.total_bytes,
        done_bytes=value.done_bytes,
        eta_seconds=value.eta_s,
        missing_file_count=value.missing_files,
        changed_file_count=value.changed_files,
        extra_file_count=value.extra_files,
        start_time=to_timestamp(value.started_at_unix_s),
        error=_to_error(value),
    )


def to_finding(value: Finding) -> types_pb2.Finding:
    return types_pb2.Finding(path=encodable(value.path), kind=_KINDS[value.kind])


def _to_error(value: VerificationStatus) -> types_pb2.VerificationError | None:
    if not value.error_code:
        return None
    return types_pb2.VerificationError(
        reason=value.error_code, message=encodable(value.error_message)
    )
