"""Makes the picture in the README from what a terminal shows.

Reads the screen with its colours, as `tmux capture-pane -ep` prints it, from stdin, and writes an
SVG to the path that is given.
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104


def main(target: str) -> None:
    """Draw the screen."""
    screen = sys.stdin.read().rstrip()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(screen))
    # A picture in a repository fetches no fonts from elsewhere; every system has a monospaced one.
    drawn = re.sub(
        r"@font-face \{.*?\}\s*", "", console.export_svg(title="lanspread"), flags=re.DOTALL
    )
    Path(target).write_text(drawn, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
