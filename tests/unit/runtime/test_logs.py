"""What a hostile peer can make the log hold: one line of each kind, and none of its own."""

import pytest
import structlog

from lanspread_peer.model.limits import MAX_LOG_KEYS_PER_MINUTE, MAX_REMEMBERED_LOG_KEYS
from lanspread_peer.runtime.logs import LogOnce, configure_logs


def test_a_thing_is_said_once() -> None:
    said = LogOnce()
    assert said.first_time("peer", "REASON")
    assert not said.first_time("peer", "REASON")
    assert said.first_time("peer", "OTHER")
    assert said.first_time("other", "REASON")


def test_made_up_keys_fill_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    said = LogOnce()
    shown = sum(said.first_time(number) for number in range(10_000))
    assert shown == MAX_LOG_KEYS_PER_MINUTE
    assert capsys.readouterr().out.count("and more like it") == 1
    assert len(said._said.remembered) <= MAX_REMEMBERED_LOG_KEYS


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
