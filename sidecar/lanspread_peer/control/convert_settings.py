"""Live settings as messages of the control API, and back."""

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread_peer.control.convert import encodable
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.live_settings import SETTING_NAMES, ChosenSettings, LiveSettings


def to_settings(value: LiveSettings) -> types_pb2.Settings:
    return types_pb2.Settings(
        upload_bytes_per_second=value.upload_bytes_per_second,
        download_bytes_per_second=value.download_bytes_per_second,
        upload_slots=value.upload_slots,
        patience_seconds=value.patience_seconds,
        name=encodable(value.name),
    )


def chosen_settings(settings: types_pb2.Settings) -> ChosenSettings:
    """What is set in the message; raises InvalidField."""
    return ChosenSettings(**{field.name: value for field, value in settings.ListFields()})


def changed_names(request: pb.UpdateSettingsRequest) -> frozenset[str]:
    """The fields that the request changes; raises InvalidField."""
    if not request.update_mask.paths:
        return frozenset(field.name for field, _ in request.settings.ListFields())
    for path in request.update_mask.paths:
        if path not in SETTING_NAMES:
            raise InvalidField("update_mask", ", ".join(SETTING_NAMES), path[:80])
    return frozenset(request.update_mask.paths)
