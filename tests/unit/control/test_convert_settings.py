"""Settings in messages: what is set changes, what the mask names and leaves unset is reset."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread_peer.control.convert_settings import changed_names, chosen_settings, to_settings
from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.live_settings import SETTING_NAMES, ChosenSettings, LiveSettings

LIMIT = 1_000_000


def test_all_settings_are_told_and_no_limit_is_unset() -> None:
    message = to_settings(LiveSettings(LIMIT, None, 3, 4.5, "me"))
    told = {field.name: value for field, value in message.ListFields()}
    assert told == {
        "upload_bytes_per_second": LIMIT,
        "upload_slots": 3,
        "patience_seconds": 4.5,
        "name": "me",
    }


def test_the_message_and_the_model_have_the_same_fields() -> None:
    assert tuple(types_pb2.Settings.DESCRIPTOR.fields_by_name) == SETTING_NAMES


def test_what_is_set_is_chosen_and_changes() -> None:
    settings = types_pb2.Settings(upload_slots=3, name="me")
    assert chosen_settings(settings) == ChosenSettings(upload_slots=3, name="me")
    for mask in (None, FieldMask()):
        request = pb.UpdateSettingsRequest(settings=settings, update_mask=mask)
        assert changed_names(request) == {"upload_slots", "name"}
    assert changed_names(pb.UpdateSettingsRequest()) == frozenset()


def test_a_mask_says_what_changes() -> None:
    request = pb.UpdateSettingsRequest(
        settings=types_pb2.Settings(upload_slots=3, name="me"),
        update_mask=FieldMask(paths=["name", "upload_bytes_per_second"]),
    )
    assert changed_names(request) == {"name", "upload_bytes_per_second"}


@pytest.mark.parametrize("path", ["", "*", "colour", "settings.name"])
def test_a_mask_that_names_no_setting_is_refused(path: str) -> None:
    request = pb.UpdateSettingsRequest(update_mask=FieldMask(paths=["name", path]))
    with pytest.raises(InvalidField, match="update_mask"):
        changed_names(request)


@pytest.mark.parametrize(
    "wrong",
    [
        types_pb2.Settings(upload_bytes_per_second=0),
        types_pb2.Settings(download_bytes_per_second=-1),
        types_pb2.Settings(upload_slots=0),
        types_pb2.Settings(patience_seconds=0.0),
        types_pb2.Settings(name=""),
    ],
)
def test_a_zero_that_is_set_is_a_zero_and_refused(wrong: types_pb2.Settings) -> None:
    with pytest.raises(InvalidField):
        chosen_settings(wrong)
