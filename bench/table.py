"""The table in the docs: one line for each row, from the kept results. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]

_HEAD = ("row", "figure", "target", "measured", "met", "date", "command")


def table(documents: Mapping[str, Document], rows: Iterable[str]) -> str:
    """A Markdown table: a line for every figure of every row, and one for a row without any."""
    lines = [_line(_HEAD), _line("---" for _ in _HEAD)]
    for row in rows:
        document = documents.get(row)
        if document is None:
            lines.append(_line((f"`{row}`", "", "", "not measured yet", "", "", "")))
            continue
        lines += _lines_of(row, document)
    return "\n".join(lines) + "\n"


def machines(documents: Mapping[str, Document]) -> str:
    """On what it was measured, one line for each machine."""
    seen = {tuple(sorted(each["machine"].items())) for each in documents.values()}
    return "".join(
        f"- {each['cpu']}, {each['cores']} cores, {each['kernel']}, Python {each['python']}\n"
        for each in map(dict, sorted(seen))
    )


def runs(documents: Mapping[str, Document], rows: Iterable[str]) -> str:
    """A Markdown table of the runs behind the figures: median and spread of each program."""
    head = ("row", "what", "median", "lowest", "highest", "runs", "terms")
    lines = [_line(head), _line("---" for _ in head)]
    for row in rows:
        for run in documents.get(row, {}).get("runs", ()):
            unit = run["unit"]
            values = (f"{run[key]:g} {unit}" for key in ("median", "low", "high"))
            lines.append(
                _line((f"`{row}`", run["name"], *values, str(len(run["values"])), run["terms"]))
            )
    return "\n".join(lines) + "\n"


def _lines_of(row: str, document: Document) -> Iterable[str]:
    when = (document["date"], f"`{document['command']}`")
    for check in document["checks"]:
        wanted = "at least" if check["at_least"] else "at most"
        yield _line(
            (
                f"`{row}`",
                check["what"],
                f"{wanted} {check['target']:g} {check['unit']}",
                f"{check['figure']:g} {check['unit']}",
                "yes" if check["ok"] else "**no**",
                *when,
            )
        )
    for what, why in document["missing"].items():
        yield _line((f"`{row}`", what, "", f"not measured: {_one_line(why)}", "**no**", *when))


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
