"""The TXT record reads back, and a hostile one raises MalformedMessage alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.wire.announcement import (
    SERVICE_TYPE,
    Announcement,
    decode_txt,
    encode_txt,
)

OURS = Announcement(PeerId("a2" * 26), InstanceId("0f" * 16), 1, 26789)


def _txt(announcement: Announcement = OURS) -> dict[bytes, bytes | None]:
    return {key.encode(): value.encode() for key, value in encode_txt(announcement).items()}


def test_the_record_has_exactly_these_keys_and_values() -> None:
    assert encode_txt(OURS) == {"id": "a2" * 26, "in": "0f" * 16, "v": "1", "port": "26789"}


def test_the_service_name_is_the_instance() -> None:
    assert OURS.service_name == "0f" * 16 + "._lanspread._udp.local."
    assert SERVICE_TYPE == "_lanspread._udp.local."


def test_every_entry_fits_a_txt_string() -> None:
    assert all(len(f"{key}={value}") <= 255 for key, value in encode_txt(OURS).items())


@pytest.mark.parametrize(("protocol", "port"), [(0, 1), (1, 26789), (1_000_000, 65535)])
def test_an_announcement_comes_back_as_it_was(protocol: int, port: int) -> None:
    announcement = Announcement(OURS.peer_id, OURS.instance, protocol, port)
    assert decode_txt(_txt(announcement)) == announcement


def test_unknown_keys_are_ignored() -> None:
    assert decode_txt(_txt() | {b"later": b"\xff", b"flag": None, b"": b""}) == OURS


@pytest.mark.parametrize("key", [b"id", b"in", b"v", b"port"])
@pytest.mark.parametrize(
    "value", [None, b"", b"\xff", b"x", b"a\0", "\u0661".encode(), b"-1", b" 1", b"1.0"]
)
def test_a_wrong_value_is_malformed(key: bytes, value: bytes | None) -> None:
    with pytest.raises(MalformedMessage):
        decode_txt(_txt() | {key: value})


@pytest.mark.parametrize("key", [b"id", b"in", b"v", b"port"])
def test_a_missing_key_is_malformed(key: bytes) -> None:
    txt = _txt()
    del txt[key]
    with pytest.raises(MalformedMessage):
        decode_txt(txt)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"port", b"0"),
        (b"port", b"65536"),
        (b"port", b"9" * 10_000),
        (b"port", b"00026789"),
        (b"v", b"1000001"),
        (b"v", b"9" * 10_000),
        (b"id", b"A2" * 26),
        (b"id", b"a2" * 26 + b"\n"),
        (b"in", b"0F" * 16),
        (b"in", b"0f" * 17),
    ],
)
def test_a_value_one_beyond_its_bound_is_malformed(key: bytes, value: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_txt(_txt() | {key: value})


@given(
    st.dictionaries(
        st.sampled_from([b"id", b"in", b"v", b"port"]), st.none() | st.binary(max_size=60)
    )
)
def test_a_random_record_is_malformed_and_nothing_worse(txt: dict[bytes, bytes | None]) -> None:
    with pytest.raises(MalformedMessage):
        decode_txt(txt)
