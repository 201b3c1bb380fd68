"""What the doctor makes of what it sees: each verdict of each check."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lanspread_peer import __version__
from lanspread_peer.control.doctor.disk import judge_file_system
from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.control.doctor.interfaces import Interface, judge_interfaces
from lanspread_peer.control.doctor.machine import (
    FEWEST_DESCRIPTORS,
    NEEDED_DESCRIPTORS,
    OLDEST_YEAR,
    judge_clock,
    judge_descriptors,
)
from lanspread_peer.control.doctor.running import Running, check_versions

LAN = Interface("eth0", ("192.168.1.2", "2001:db8::2"))
WIRELESS = Interface("wlan0", ("192.168.1.3",))
VPN = Interface("tun0", ("10.8.0.2",))


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("ext4", Verdict.OK),
        ("ntfs", Verdict.OK),
        ("exfat", Verdict.OK),
        ("vfat", Verdict.WARN),
        ("fat32", Verdict.WARN),
        ("cifs", Verdict.WARN),
        ("", Verdict.SKIPPED),
    ],
)
def test_a_file_system_must_hold_large_files(kind: str, verdict: Verdict) -> None:
    assert judge_file_system(kind).verdict is verdict


@pytest.mark.parametrize(
    ("interfaces", "bind", "preferred", "verdict", "told"),
    [
        ([LAN], "", "192.168.1.2", Verdict.OK, "eth0 (192.168.1.2)"),
        ([LAN, VPN], "", "192.168.1.2", Verdict.OK, "eth0"),
        ([LAN, VPN], "", "10.8.0.2", Verdict.WARN, "tun0 wins"),
        ([VPN], "", "10.8.0.2", Verdict.WARN, "tun0 wins"),
        ([VPN], "", "", Verdict.WARN, "tun0 wins"),
        ([LAN, WIRELESS], "", "192.168.1.2", Verdict.WARN, "several"),
        ([LAN, WIRELESS, VPN], "192.168.1.3", "10.8.0.2", Verdict.OK, "confined to 192.168.1.3"),
        ([LAN], "192.168.1.9", "192.168.1.2", Verdict.FAIL, "192.168.1.9"),
        ([], "192.168.1.9", "", Verdict.FAIL, "none"),
        ([LAN], "127.0.0.1", "192.168.1.2", Verdict.WARN, "no other PC"),
        ([LAN], "::1", "192.168.1.2", Verdict.WARN, "no other PC"),
        ([], "", "", Verdict.FAIL, "no network interface"),
    ],
)
def test_interfaces_must_lead_to_the_lan(
    interfaces: list[Interface], bind: str, preferred: str, verdict: Verdict, told: str
) -> None:
    finding = judge_interfaces(interfaces, bind, preferred)
    assert finding.verdict is verdict
    assert told in finding.told


@pytest.mark.parametrize(
    ("name", "is_virtual"),
    [
        ("eth0", False),
        ("enp3s0", False),
        ("Ethernet 2", False),
        ("WLAN", False),
        ("en0", False),
        ("wg0", True),
        ("utun3", True),
        ("docker0", True),
        ("vEthernet (WSL)", True),
        ("VirtualBox Host-Only Network", True),
        ("NordVPN", True),
    ],
)
def test_virtual_interfaces_are_known_by_their_names(name: str, is_virtual: bool) -> None:
    assert Interface(name, ("10.0.0.1",)).is_virtual is is_virtual


@pytest.mark.parametrize(
    ("year", "synchronised", "verdict"),
    [
        (OLDEST_YEAR, True, Verdict.OK),
        (OLDEST_YEAR, False, Verdict.WARN),
        (OLDEST_YEAR, None, Verdict.SKIPPED),
        (OLDEST_YEAR - 1, True, Verdict.FAIL),
    ],
)
def test_the_clock_must_be_plausible_and_kept_right(
    year: int, synchronised: bool | None, verdict: Verdict
) -> None:
    assert judge_clock(datetime(year, 6, 1, tzinfo=UTC), synchronised).verdict is verdict


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        (None, Verdict.OK),
        (NEEDED_DESCRIPTORS, Verdict.OK),
        (NEEDED_DESCRIPTORS - 1, Verdict.WARN),
        (FEWEST_DESCRIPTORS, Verdict.WARN),
        (FEWEST_DESCRIPTORS - 1, Verdict.FAIL),
    ],
)
def test_enough_files_must_be_allowed_to_be_open(limit: int | None, verdict: Verdict) -> None:
    assert judge_descriptors(limit).verdict is verdict


def versions(version: str, refused_callers: int = 0) -> Finding:
    return check_versions(Running(version, Path("/games"), (), 1, refused_callers))


def test_versions_must_be_equal() -> None:
    assert versions(__version__).verdict is Verdict.OK
    assert versions("0.0.1").verdict is Verdict.WARN
    assert "0.0.1" in versions("0.0.1").told
    assert versions(__version__, refused_callers=1).verdict is Verdict.WARN
    assert check_versions(None).verdict is Verdict.SKIPPED


def test_what_is_wrong_has_an_advice() -> None:
    wrong = [
        judge_file_system("vfat"),
        judge_interfaces([VPN], "", ""),
        judge_clock(datetime(1970, 1, 1, tzinfo=UTC), synchronised=True),
        judge_descriptors(1),
        versions("0.0.1"),
    ]
    assert all(finding.advice for finding in wrong)
