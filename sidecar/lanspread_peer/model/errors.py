"""The one exception tree.

`reason` is stable, UPPER_SNAKE, and goes to clients; `metadata` repeats every value the sentence
names, so that no client ever parses a sentence. Who is at fault decides the branch: the caller
(`RequestError`), another peer (`PeerProtocolError`), a source that cannot serve now
(`SourceUnavailable`), wrong bytes (`IntegrityError`), this machine's disk (`StorageError`).
"""

from typing import ClassVar


class LanspreadError(Exception):
    """Root of all errors the sidecar raises on purpose."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class RequestError(LanspreadError):
    """The caller asked for something that cannot be done."""

    reason = "INVALID_REQUEST"


class InvalidField(RequestError):
    """One field of a request or of the configuration is wrong."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, expected: str, got: str = "") -> None:
        shown = f", got {got!r}" if got else ""
        super().__init__(f"{field}: expected {expected}{shown}", field=field, expected=expected)
        self.field = field
        self.expected = expected


class InvalidSetting(InvalidField):
    """One value of the configuration is wrong, or its key unknown; `source` gave it."""

    reason = "INVALID_SETTING"

    def __init__(self, source: str, field: str, expected: str, got: str = "") -> None:
        super().__init__(field, expected, got)
        self.message = f"{source}: {self.message}"
        self.metadata["source"] = source
        self.source = source


class GameNotFound(RequestError):
    """Neither this library nor any peer has the game."""

    reason = "GAME_NOT_FOUND"


class NoPeersHaveGame(RequestError):
    """The game is known, but no connected peer offers it."""

    reason = "NO_PEERS_HAVE_GAME"


class ContentNotFound(RequestError):
    """No connected peer offers this content id of the game."""

    reason = "CONTENT_NOT_FOUND"


class NoVersionChosen(RequestError):
    """Every variant has a doubtful version; the command must name a content id."""

    reason = "NO_VERSION_CHOSEN"


class EmptySelection(RequestError):
    """The selection of files names nothing."""

    reason = "EMPTY_SELECTION"


class PathNotInManifest(RequestError):
    """The selection names a path that the manifest does not have."""

    reason = "PATH_NOT_IN_MANIFEST"


class DownloadNotFound(RequestError):
    """No download has this id."""

    reason = "DOWNLOAD_NOT_FOUND"


class DownloadActive(RequestError):
    """Another download of the game runs, or downloads forbid what was asked."""

    reason = "DOWNLOAD_ACTIVE"


class DownloadEnded(RequestError):
    """The download is over, so it can neither pause nor go on."""

    reason = "DOWNLOAD_ENDED"


class TooManyDownloads(RequestError):
    """As many downloads as may be are running, queued or paused."""

    reason = "TOO_MANY_DOWNLOADS"


class StagingNotFound(RequestError):
    """No failed download has left anything under this name."""

    reason = "STAGING_NOT_FOUND"


class VerificationNotFound(RequestError):
    """No verification has this id."""

    reason = "VERIFICATION_NOT_FOUND"


class TooManyVerifications(RequestError):
    """As many verifications as may be are running or queued."""

    reason = "TOO_MANY_VERIFICATIONS"


class AlreadyDownloaded(RequestError):
    """The game folder holds exactly this content already."""

    reason = "ALREADY_DOWNLOADED"


class GameIndexing(RequestError):
    """The game is here and still being hashed; ask again once that is done."""

    reason = "GAME_INDEXING"


class GameDirUnusable(RequestError):
    """The game folder is missing, no folder, or cannot be written."""

    reason = "GAME_DIR_UNUSABLE"


class ShuttingDown(RequestError):
    """The sidecar is about to end and begins nothing more."""

    reason = "SHUTTING_DOWN"


class AlreadyRunning(RequestError):
    """Another sidecar holds the state folder or the game folder."""

    reason = "ALREADY_RUNNING"


class CannotBind(RequestError):
    """An address or port cannot be listened on."""

    reason = "CANNOT_BIND"


class HandshakeRefused(RequestError):
    """The front end that spawned us said what cannot be understood, or nothing in time."""

    reason = "HANDSHAKE_REFUSED"


class PeerUnreachable(RequestError):
    """No sidecar answered at an address that a person named."""

    reason = "PEER_UNREACHABLE"


class PeerNotFound(RequestError):
    """No peer with this id was seen."""

    reason = "PEER_NOT_FOUND"


class TooManyBlocked(RequestError):
    """The block list is full."""

    reason = "TOO_MANY_BLOCKED"


class InvalidCertificate(RequestError):
    """A file is no certificate, key or request as a party has them, or not one for this use."""

    reason = "INVALID_CERTIFICATE"


class ResumeTokenExpired(RequestError):
    """The events after the token are gone; start again from a snapshot."""

    reason = "RESUME_TOKEN_EXPIRED"


class PeerProtocolError(LanspreadError):
    """A peer broke the protocol."""

    reason = "PEER_PROTOCOL"


class MalformedMessage(PeerProtocolError):
    """Not JSON, not one of our messages, too large, too deep, or with a duplicate key."""

    reason = "MALFORMED_MESSAGE"


class UnknownMessage(PeerProtocolError):
    """Well-formed, but with a tag that this version does not know."""

    reason = "UNKNOWN_MESSAGE"


class UnsafePath(PeerProtocolError):
    """A path that some system could not hold, or that leads out of the folder."""

    reason = "UNSAFE_PATH"


class InvalidManifest(PeerProtocolError):
    """A manifest that is not canonical, not within the limits, or not what its id says."""

    reason = "INVALID_MANIFEST"


class IdentityMismatch(PeerProtocolError):
    """The certificate's key is not the peer id that was dialled."""

    reason = "IDENTITY_MISMATCH"


class SourceUnavailable(LanspreadError):
    """A peer that cannot serve this now; another one, or a later try, may."""

    reason = "SOURCE_UNAVAILABLE"


class ConnectionLost(SourceUnavailable):
    """The connection ended or never came to be."""

    reason = "CONNECTION_LOST"


class StreamReset(SourceUnavailable):
    """The other end cut this stream; `code` is one of wire.stream_codes, or unknown."""

    reason = "STREAM_RESET"

    def __init__(self, code: int) -> None:
        super().__init__(f"the peer reset the stream with code {code}", code=str(code))
        self.code = code


class Stalled(SourceUnavailable):
    """No byte came, or went, for longer than the stall timeout."""

    reason = "STALLED"


class Busy(SourceUnavailable):
    """All upload slots are taken; ask again after `retry_ms`."""

    reason = "BUSY"

    def __init__(self, retry_ms: int) -> None:
        super().__init__(f"the peer is busy, retry in {retry_ms} ms", retry_ms=str(retry_ms))
        self.retry_ms = retry_ms


class Stale(SourceUnavailable):
    """The file changed since it was hashed."""

    reason = "STALE"


class NotFoundByPeer(SourceUnavailable):
    """The peer does not have what was asked for."""

    reason = "NOT_FOUND"


class NotIndexed(SourceUnavailable):
    """The peer has the game but is still hashing it; `progress` is in per mille."""

    reason = "NOT_INDEXED"

    def __init__(self, progress: int) -> None:
        super().__init__(f"still hashing, {progress / 10:.1f} %", progress=str(progress))
        self.progress = progress


class Unsupported(SourceUnavailable):
    """The peer does not know this request."""

    reason = "UNSUPPORTED"


class Refused(SourceUnavailable):
    """The peer does not serve this request, or not to us."""

    reason = "REFUSED"


class NotAMember(Refused):
    """One of the two shows no certificate of the party that the other one is at."""

    reason = "NOT_A_MEMBER"


class CertificateExpired(NotAMember):
    """A certificate of the party that has ended; its owner needs a new one."""

    reason = "CERTIFICATE_EXPIRED"


class CertificateNotYetValid(NotAMember):
    """A certificate of the party that has not begun; mostly a clock is wrong."""

    reason = "CERTIFICATE_NOT_YET_VALID"


class IntegrityError(LanspreadError):
    """Bytes that do not match their hash or length."""

    reason = "INTEGRITY"


class StorageError(LanspreadError):
    """This machine's disk refused."""

    reason = "STORAGE"


class DiskFull(StorageError):
    """Not enough free space for the download and the reserve."""

    reason = "DISK_FULL"


class AccessDenied(StorageError):
    """The system denies reading or writing a path."""

    reason = "ACCESS_DENIED"


class ReadOnlyDisk(StorageError):
    """The disk is mounted so that nobody may write, or turned read-only after a fault."""

    reason = "READ_ONLY"


class FileLocked(StorageError):
    """Another program holds the file or folder; it works again once that lets go."""

    reason = "FILE_LOCKED"


class DiskFailure(StorageError):
    """The disk, or the way to it, could not read or write."""

    reason = "DISK_FAILED"


class GameDirGone(StorageError):
    """The game folder, or another folder that we work in, is gone or no longer mounted."""

    reason = "GAME_DIR_GONE"


class UnsafeGame(StorageError):
    """A local game folder that cannot be shared, such as one with colliding names."""

    reason = "UNSAFE_GAME"


class DownloadFailed(LanspreadError):
    """A download that ended without its game; `code` says why, in UPPER_SNAKE."""

    reason = "DOWNLOAD_FAILED"

    def __init__(self, code: str, message: str, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.code = code
