"""How the process ends: its exit codes, which are part of the interface."""

from enum import IntEnum

from lanspread_peer.model import errors


class ExitCode(IntEnum):
    """How the process ended."""

    CLEAN = 0
    CRASH = 1
    USAGE = 2
    ALREADY_RUNNING = 3
    CANNOT_BIND = 4
    HANDSHAKE = 5
    GAME_DIR = 6


def exit_code_of(error: errors.LanspreadError) -> ExitCode:
    """The exit code for an error that ended the start."""
    match error:
        case errors.AlreadyRunning():
            return ExitCode.ALREADY_RUNNING
        case errors.CannotBind():
            return ExitCode.CANNOT_BIND
        case errors.HandshakeRefused():
            return ExitCode.HANDSHAKE
        case errors.GameDirUnusable():
            return ExitCode.GAME_DIR
        case errors.InvalidField() | errors.InvalidCertificate():
            return ExitCode.USAGE
        case _:
            return ExitCode.CRASH
