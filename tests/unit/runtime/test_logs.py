"""What a hostile peer can make the log hold: one line of each kind, and none of its own."""

import pytest
import structlog

from lanspread_peer.runtime.logs import LogOnce, configure_logs


def test_a_thing_is_said_once() -> None:
    said = LogOnce()
    assert said.first_time("peer", "REASON")
    assert not said.first_time("peer", "REASON")
    assert said.first_time("peer", "OTHER")
    assert said.first_time("other", "REASON")


def test_what_is_remembered_is_bounded() -> None:
    said = LogOnce()
    for number in range(10_000):
        assert said.first_time(number)
    assert len(said._said) <= 1024
    assert not said.first_time(9_999)


def test_a_value_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    configure_logs("info")
    try:
        structlog.get_logger().info("a peer", name='x"\nlevel=error event=forged')
        structlog.get_logger().debug("too much detail")
    finally:
        structlog.configure(**before)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "level=info" in lines[0]
    assert 'event="a peer"' in lines[0]
