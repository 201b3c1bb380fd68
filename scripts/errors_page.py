"""Writes docs/errors.md from the code, or with --check says whether it is fresh.

Fails when the code has a reason, code or warning that no text is about, or a text is about none.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import reasons
import reasons_texts as texts

from lanspread_peer.control.status import DOMAIN, OTHER_REASONS, STATUS_CODES
from lanspread_peer.model import errors

PAGE = reasons.ROOT / "docs" / "errors.md"

_HEADINGS = {
    errors.RequestError: "The caller asked for something that cannot be done",
    errors.StorageError: "This machine's disk refused",
    errors.SourceUnavailable: "A peer cannot serve now",
    errors.PeerProtocolError: "Another peer broke the protocol",
    errors.LanspreadError: "Everything else",
}

_INTRODUCTION = f"""\
# Errors

<!-- Made by scripts/errors_page.py from the code; change that, and run `make errors`. -->

A call that fails ends with a gRPC status whose details hold a `google.rpc.ErrorInfo`: a `reason`,
the domain `{DOMAIN}`, and as `metadata` every value that the sentence names. **Decide by the
reason.** It never changes; the code is only the class that generic tools understand, and the
sentence is for people, in English. A wrong field comes as `google.rpc.BadRequest` too. Metadata
keys are those that may be there: none of them is promised.

A call without such details was not answered by the sidecar: see [the last
table](#reasons-of-the-clients). No error of the sidecar has the code `UNAVAILABLE`, so whatever
retries by that code alone asks only a sidecar that did not answer.
"""

_DOWNLOADS = """
## Why a download failed, or was paused by the disk

`reason` of its `error`. Besides these, all reasons of [this machine's
disk](#this-machines-disk-refused), which pause a download when they come in the middle.

"""

_VERIFICATIONS = """
## Why a verification failed

`reason` of its `error`: all reasons of [this machine's disk](#this-machines-disk-refused); `STALE`
when the game changed meanwhile, so verify it again; `INTERNAL`.
"""

_WARNINGS = """
## Codes of the event `warning`

Nothing failed that somebody asked for, but a person should know. Besides these, all reasons of
[this machine's disk](#this-machines-disk-refused), and those of a party's certificates.

"""

_CLIENTS = """
## Reasons of the clients

The libraries raise one error, with the reason of the sidecar or one of these, and gRPC's own name
of the code where there is neither, such as `UNIMPLEMENTED` for a call that the sidecar does not
know. Errors of `serve --managed` before it is ready stand on stderr, as
`lanspread-peer: REASON: sentence`, with reasons of the first tables.

"""


def main() -> int:
    """The exit code: 0 when done or fresh, 1 when stale or not total."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare, and fail when stale")
    only_check = parser.parse_args().check
    missing = list(gaps())
    for gap in missing:
        print(gap, file=sys.stderr)
    if missing:
        return 1
    page = made()
    if only_check and (not PAGE.exists() or PAGE.read_text("utf-8") != page):
        print("stale: docs/errors.md; run `make errors` and commit it", file=sys.stderr)
        return 1
    if not only_check:
        PAGE.write_text(page, "utf-8")
    return 0


def gaps(sidecar: Path = reasons.SIDECAR, client: Path = reasons.CLIENT) -> Iterator[str]:
    """What the code has and no text is about, and the other way round."""
    of_calls = {cls.reason for cls in reasons.tree()} | OTHER_REASONS.keys()
    yield from _difference("ADVICE", of_calls, texts.ADVICE)
    yield from _difference("OTHERS", OTHER_REASONS.keys(), texts.OTHERS)
    failures = reasons.download_failures(sidecar)
    yield from _difference("DOWNLOAD_FAILURES", failures, texts.DOWNLOAD_FAILURES)
    yield from _difference("WARNINGS", reasons.warning_codes(sidecar), texts.WARNINGS)
    # gRPC's own name, which the library takes over.
    of_clients = reasons.client_reasons(client) | {"DEADLINE_EXCEEDED"}
    yield from _difference("CLIENT_REASONS", of_clients, texts.CLIENT_REASONS)


def made() -> str:
    """The page."""
    keys = reasons.metadata_keys()
    parts = [_INTRODUCTION]
    for branch, heading in _HEADINGS.items():
        rows = [_row_of(cls, keys) for cls in reasons.tree() if _branch_of(cls) is branch]
        parts.append(f"\n## {heading}\n\n{_table(_COLUMNS, rows)}")
    others = [
        (f"`{reason}`", f"`{code.name}`", texts.OTHERS[reason], "", texts.ADVICE[reason])
        for reason, code in OTHER_REASONS.items()
    ]
    parts.append(f"\n## Reasons that no error of ours has\n\n{_table(_COLUMNS, others)}")
    parts += [_DOWNLOADS, _short_table("Reason", texts.DOWNLOAD_FAILURES), _VERIFICATIONS]
    parts += [_WARNINGS, _short_table("Code", texts.WARNINGS)]
    parts += [_CLIENTS, _short_table("Reason", texts.CLIENT_REASONS)]
    return "".join(parts)


_COLUMNS = ("Reason", "gRPC code", "Meaning", "Metadata", "What to do")


def _row_of(
    cls: type[errors.LanspreadError], keys: Mapping[str, set[str]]
) -> tuple[str, str, str, str, str]:
    metadata = ", ".join(f"`{key}`" for key in sorted(keys[cls.__name__]))
    code = STATUS_CODES[cls].name
    return (
        f"`{cls.reason}`",
        f"`{code}`",
        reasons.meaning(cls),
        metadata,
        texts.ADVICE[cls.reason],
    )


def _branch_of(cls: type[errors.LanspreadError]) -> type[errors.LanspreadError]:
    return next(branch for branch in cls.__mro__ if branch in _HEADINGS)


def _short_table(name: str, rows: Mapping[str, tuple[str, str]]) -> str:
    listed = [(f"`{code}`", *rest) for code, rest in sorted(rows.items())]
    return _table((name, "Meaning", "What to do"), listed)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(columns)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _difference(table: str, had: Iterable[str], told: Iterable[str]) -> Iterator[str]:
    for code in sorted(set(had) - set(told)):
        yield f"scripts/reasons_texts.py: {table} has nothing about {code}"
    for code in sorted(set(told) - set(had)):
        yield f"scripts/reasons_texts.py: {table} tells of {code}, which nothing says"


if __name__ == "__main__":
    sys.exit(main())
