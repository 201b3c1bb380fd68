"""Relative paths that every system can hold and that never lead out of their folder.

A text from the wire becomes a `SafeRelPath` or is refused; it is never cleaned up, because
cleaning makes two names one. The rules of Windows hold on every system. Storage accepts nothing
else. What this module cannot see, links on disk, is storage's to guard.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NewType

from lanspread_peer.model.errors import UnsafePath
from lanspread_peer.model.limits import MAX_PATH_BYTES, MAX_PATH_DEPTH, MAX_PATH_PART_BYTES

SafeRelPath = NewType("SafeRelPath", str)

_RESERVED_NAMES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"]
)
# Windows refuses these in names; the colon also opens streams, the backslash separates parts.
_FORBIDDEN_CHARACTERS = re.compile(r'[<>:"\\|?*]')
# Cc control, Cf format (bidi marks, zero width), Cs surrogate; Zl and Zp break lines in a terminal.
# Cn, unassigned, is left in, because it changes with the Unicode version.
_FORBIDDEN_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])
# Invisible too, but letters or marks by category. Disks that fold case as Linux does leave them out
# of comparisons, so that with one of them in it `local` would not look like `local` and yet be it
# (Unicode DerivedCoreProperties, Default_Ignorable_Code_Point).
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
# The short names that Windows may give `.lanspread`, whichever of them are taken already.
_OWN_SHORT_NAME = re.compile(r"la(n|ns|nsp|nspr|[0-9a-f]{4})?~[0-9]+")
_LOCAL = "local"
_NEVER_SHARED_NAMES = frozenset(["desktop.ini", "thumbs.db"])


def parse_path(text: str) -> SafeRelPath:
    """The path in its only accepted form, parts joined by `/`; raises UnsafePath."""
    fault = path_fault(text)
    if fault:
        raise UnsafePath(f"unsafe path {text[:120]!a}: expected {fault}", path=ascii(text[:120]))
    return SafeRelPath(text)


def path_fault(text: str) -> str:
    """What a safe path would have had and `text` has not, or an empty string when it is safe."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "valid Unicode"
    if size > MAX_PATH_BYTES:
        return f"at most {MAX_PATH_BYTES} bytes"
    if not unicodedata.is_normalized("NFC", text):
        return "NFC form"
    if _FORBIDDEN_CHARACTERS.search(text):
        return 'none of < > : " \\ | ? *'
    is_plain = text.isascii() and text.isprintable()
    if not is_plain and _has_invisible(text):
        return "no control, bidi or zero-width characters"
    parts = text.split("/")
    if len(parts) > MAX_PATH_DEPTH:
        return f"at most {MAX_PATH_DEPTH} parts"
    return next(filter(None, map(_part_fault, parts)), "")


def _has_invisible(text: str) -> bool:
    if _IGNORABLE.search(text):
        return True
    return any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text)


def _part_fault(part: str) -> str:
    if part in ("", ".", ".."):
        return "no empty, '.' or '..' part"
    if len(part.encode("utf-8")) > MAX_PATH_PART_BYTES:
        return f"parts of at most {MAX_PATH_PART_BYTES} bytes"
    if part[-1] in ". " or part[0] == " ":
        return "no part that starts with a space or ends with a dot or space"
    # Some disks and shares take wide and other compatible letters for the plain ones.
    plain = part if part.isascii() else unicodedata.normalize("NFKC", part)
    if not plain.strip("."):
        return "no part that looks like '.' or '..'"
    if _is_device(part) or _is_device(plain):
        return "no reserved device name"
    if _OWN_SHORT_NAME.fullmatch(plain.casefold()):
        return "no short name of the sidecar's own folder"
    return ""


def _is_device(part: str) -> bool:
    # Windows reserves a device's name with any extension, and ignores spaces before the dot.
    return part.partition(".")[0].rstrip(" ").casefold() in _RESERVED_NAMES


def fold_path(path: str) -> str:
    """The form under which paths collide on a system that ignores case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def is_shared(path: SafeRelPath) -> bool:
    """Whether a path below a game root may be part of a game (design section 3)."""
    plain = path if path.isascii() else unicodedata.normalize("NFKC", path)
    if plain.startswith(".") or "/." in plain:
        return False
    folded = plain.casefold()
    top, _, _ = folded.partition("/")
    _, _, name = folded.rpartition("/")
    return top != _LOCAL and name not in _NEVER_SHARED_NAMES


def parent_of(path: SafeRelPath) -> SafeRelPath | None:
    """The path of the folder that holds `path`, or None at the top."""
    parent, separator, _ = path.rpartition("/")
    return SafeRelPath(parent) if separator else None


def first_collision(paths: Iterable[SafeRelPath]) -> tuple[SafeRelPath, SafeRelPath] | None:
    """The first two paths that some system would hold as one, or None."""
    seen: dict[str, SafeRelPath] = {}
    for path in paths:
        folded = fold_path(path)
        if folded in seen:
            return seen[folded], path
        seen[folded] = path
    return None
