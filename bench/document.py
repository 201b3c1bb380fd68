"""Writes what the docs show of the kept results: the tables and the chart.

`python -m bench.document` changes docs/performance.md between its marks only; the words around
them are written by people.
"""

import re

from bench.chart import chart
from bench.kept import DOCS, kept_results
from bench.rows.registry import ROWS
from bench.table import machines, runs, table

PAGE = DOCS / "performance.md"
CHART = DOCS / "performance.svg"
CHARTED = "one_to_one"


def main() -> None:
    """Write both."""
    documents = kept_results()
    text = PAGE.read_text("utf-8")
    for mark, content in {
        "figures": table(documents, ROWS),
        "machines": machines(documents),
        "runs": runs(documents, ROWS),
    }.items():
        text = replaced(text, mark, content)
    PAGE.write_text(text, "utf-8")
    if documents.get(CHARTED, {}).get("runs"):
        CHART.write_text(chart(documents[CHARTED]), "utf-8")


def replaced(text: str, mark: str, content: str) -> str:
    """The text with this content between the two marks; raises ValueError without them."""
    pattern = re.compile(f"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)", re.DOTALL)
    changed, count = pattern.subn(lambda found: f"{found[1]}\n{content}\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"the page has {count} places for {mark}, expected one")
    return changed


if __name__ == "__main__":
    main()
