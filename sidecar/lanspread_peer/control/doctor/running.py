"""The sidecar that runs on a state folder, asked as any front end would."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil

from lanspread.peer.v1 import peer_service_pb2 as pb
from lanspread.peer.v1 import types_pb2
from lanspread.peer.v1.peer_service_pb2_grpc import PeerServiceStub
from lanspread_peer import __version__
from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.control.healthcheck import channel_to
from lanspread_peer.model.errors import LanspreadError, StorageError
from lanspread_peer.model.limits import MAX_PAGE_SIZE
from lanspread_peer.model.peer import Address, split_host_port
from lanspread_peer.storage import runtime_file

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """What a running sidecar says of itself."""

    version: str
    game_dir: Path
    addresses: tuple[Address, ...]
    connected: int
    refused_callers: int


def look_at_running(state_dir: Path) -> tuple[Running | None, Finding]:
    """The sidecar that runs there, if one answers, and what that means."""
    check = "sidecar"
    try:
        found = runtime_file.read(state_dir)
    except StorageError as error:
        advice = "look at the state folder"
        return None, Finding(check, Verdict.FAIL, error.message, advice)
    if found is None:
        told = f"none runs with the state folder {state_dir}"
        return None, Finding(check, Verdict.SKIPPED, told, "start it to check more")
    try:
        running = _ask(found)
    except grpc.RpcError as error:
        if not psutil.pid_exists(found.pid):
            told = f"none runs; process {found.pid} ended without tidying up"
            return None, Finding(check, Verdict.SKIPPED, told, "start it to check more")
        told = f"process {found.pid} should run, and does not answer: {error.code().name}"
        return None, Finding(check, Verdict.FAIL, told, "end that process, and start it again")
    except LanspreadError as error:
        return None, Finding(check, Verdict.FAIL, error.message, "start it again")
    told = f"version {running.version} runs, and {running.connected} peers are connected"
    return running, Finding(check, Verdict.OK, told)


def check_versions(running: Running | None) -> Finding:
    """Whether the running sidecar is this program, and peers could talk to it."""
    check = "versions"
    if running is None:
        return Finding(check, Verdict.SKIPPED, f"this is version {__version__}; no sidecar runs")
    if running.version != __version__:
        told = f"version {running.version} runs, and this program is {__version__}"
        return Finding(check, Verdict.WARN, told, "end the sidecar, and start the new one")
    if running.refused_callers:
        told = f"{running.refused_callers} callers were sent away, perhaps of another version"
        return Finding(check, Verdict.WARN, told, "compare versions; the log says who and why")
    return Finding(check, Verdict.OK, f"this program and the sidecar are {__version__}")


def _ask(found: runtime_file.RuntimeFile) -> Running:
    metadata = (("authorization", f"Bearer {found.token}"),)
    with channel_to(found) as channel:
        stub = PeerServiceStub(channel)
        status = stub.GetStatus(pb.GetStatusRequest(), metadata=metadata, timeout=_TIMEOUT_S).status
        peers = stub.ListPeers(
            pb.ListPeersRequest(page_size=MAX_PAGE_SIZE), metadata=metadata, timeout=_TIMEOUT_S
        ).peers
    return Running(
        status.version,
        Path(status.game_dir),
        tuple(Address(*split_host_port(text, "address")) for text in status.addresses),
        sum(peer.state == types_pb2.PEER_STATE_CONNECTED for peer in peers),
        status.counters.refused_callers,
    )
