"""`lanspread-peer doctor`: what keeps this PC from taking part in the party, and what to do."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from lanspread_peer.control.config_options import config_options, load_config
from lanspread_peer.control.config_sources import Config
from lanspread_peer.control.doctor.disk import check_disk
from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.control.doctor.interfaces import (
    judge_interfaces,
    multicast_host,
    own_interfaces,
)
from lanspread_peer.control.doctor.machine import check_clock, check_descriptors
from lanspread_peer.control.doctor.network import (
    check_free_port,
    check_multicast,
    check_running_port,
)
from lanspread_peer.control.doctor.running import Running, check_versions, look_at_running
from lanspread_peer.control.exit_codes import ExitCode
from lanspread_peer.model.peer import is_loopback
from lanspread_peer.model.plain_text import plain


@click.command("doctor")
@config_options("game_dir", "state_dir", "bind", "port", "mdns")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def doctor_command(config: str | None, *, as_json: bool, **flags: Any) -> None:
    """Look for what breaks at parties: network, ports, disk, clock, versions.

    Exits with 0 when nothing fails.
    """
    findings = _look(load_config(config, flags))
    click.echo(_document(findings) if as_json else _list(findings))
    has_failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    sys.exit(ExitCode.CRASH if has_failed else ExitCode.CLEAN)


def _look(loaded: Config) -> list[Finding]:
    running, sidecar = look_at_running(loaded.state_dir)
    # One that runs was perhaps started with other flags.
    bind = _confined_to(running) or loaded.text("bind")
    port = int(loaded.text("port")) if loaded.text("port") else None
    interfaces = own_interfaces()
    v4_hosts = [host for each in interfaces for host in each.hosts_v4]
    if bind:
        v4_hosts = [] if ":" in bind else [bind]
    return [
        sidecar,
        check_versions(running),
        judge_interfaces(interfaces, bind, multicast_host()),
        check_multicast(v4_hosts, mdns=loaded.found["mdns"].value is True),
        check_running_port(running.addresses) if running else check_free_port(bind, port),
        *check_disk(_game_dir(running, loaded)),
        check_descriptors(),
        check_clock(),
    ]


def _confined_to(running: Running | None) -> str:
    """The loopback address that a sidecar is confined to, as for a try on one machine."""
    hosts = {address.host for address in running.addresses} if running else set()
    return next(iter(hosts)) if len(hosts) == 1 and all(map(is_loopback, hosts)) else ""


def _game_dir(running: Running | None, loaded: Config) -> Path | None:
    if running:
        return running.game_dir
    return loaded.game_dir if loaded.text("game_dir") else None


def _document(findings: list[Finding]) -> str:
    checks = [
        {
            "check": finding.check,
            "verdict": finding.verdict.value,
            "told": finding.told,
            "advice": finding.advice,
        }
        for finding in findings
    ]
    return json.dumps({"checks": checks}, indent=2)


def _list(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict.value:8}{finding.check}: {plain(finding.told)}")
        if finding.advice and finding.verdict is not Verdict.OK:
            lines.append(f"{'':8}-> {plain(finding.advice)}")
    return "\n".join(lines)
