"""The list of limits itself."""

import ast
from pathlib import Path

from lanspread_peer.model import limits


def test_no_limit_is_named_twice() -> None:
    # The second one would change the first one without a word.
    tree = ast.parse(Path(limits.__file__).read_text("utf-8"))
    names = [
        target.id
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
    assert sorted(names) == sorted(set(names))
