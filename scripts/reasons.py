"""Which reasons, codes and warnings the code has: read from the tree, the table, and the source.

Whatever the source makes of a text that stands in it is found; a code that it computes must be one
of the few known ways, or this fails, so that no code can be left out unseen.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from lanspread_peer.model import errors

ROOT = Path(__file__).resolve().parent.parent
SIDECAR = ROOT / "sidecar" / "lanspread_peer"
CLIENT = ROOT / "clients" / "python" / "lanspread_client"

# Whoever hands on the code of an error, or of a caller that is scanned itself.
_HANDED_ON = frozenset(
    [
        "code",
        "code.name",
        "error.reason",
        "failure.reason",
        "found.error.reason",
        "info.reason",
        "refusal.reason",
        "f'{self._name.upper()}_NOT_FOUND'",
    ]
)
# The two locks of a sidecar, by the warning that another one has taken them.
_LOCK_CODES = "_DIR_TAKEN"


def tree() -> list[type[errors.LanspreadError]]:
    """Every class of the exception tree, in the order of the source."""
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.LanspreadError)
    ]


def meaning(cls: type[errors.LanspreadError]) -> str:
    """The first line of the docstring."""
    return (cls.__doc__ or "").partition("\n")[0]


def warning_codes(folder: Path = SIDECAR) -> set[str]:
    """Codes of the event `warning`, those of disk errors aside."""
    modules = _modules(folder)
    found = set(_first_texts(modules, {"Warned", "warn"}))
    for module in modules:
        values = (node.value for node in ast.walk(module) if isinstance(node, ast.Constant))
        texts = (value for value in values if isinstance(value, str))
        found |= {text for text in texts if text.endswith(_LOCK_CODES)}
    return found


def download_failures(folder: Path = SIDECAR) -> set[str]:
    """Why downloads fail, reasons of the tree aside."""
    return set(_first_texts(_modules(folder), {"DownloadFailed"}))


def client_reasons(folder: Path = CLIENT) -> set[str]:
    """What the Python library and the command say by themselves."""
    return set(_first_texts(_modules(folder), {"LanspreadError"}))


def metadata_keys(folder: Path = SIDECAR) -> Mapping[str, set[str]]:
    """The keys that each class of the tree is given anywhere, by its name."""
    names = {cls.__name__ for cls in tree()}
    keys: dict[str, set[str]] = defaultdict(set)
    for module in _modules(folder):
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and (name := _class_of(node.func)) in names:
                keys[name] |= _keywords(node)
            if isinstance(node, ast.ClassDef) and node.name in names:
                keys[node.name] |= _own_keys(node)
    for cls in tree():
        if issubclass(cls, errors.StorageError) and cls is not errors.UnsafeGame:
            # Those that the system's own error becomes, see storage/disk_errors.py.
            keys[cls.__name__] |= {"doing", "errno"}
        for parent in cls.__mro__[1:]:
            if "__init__" in vars(parent) and parent is not errors.LanspreadError:
                keys[cls.__name__] |= keys[parent.__name__]
    return keys


@cache
def _modules(folder: Path) -> tuple[ast.Module, ...]:
    paths = sorted(folder.rglob("*.py"))
    return tuple(ast.parse(path.read_text("utf-8"), str(path)) for path in paths)


def _first_texts(modules: Sequence[ast.Module], names: set[str]) -> Iterator[str]:
    """The first argument of each call of one of these names, where that is a text."""
    constants = dict(pair for module in modules for pair in _constants(module))
    for module in modules:
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and _name_of(node.func) in names and node.args:
                yield from _texts(node.args[0], constants)


def _texts(node: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body, constants)
            yield from _texts(other, constants)
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case _ if ast.unparse(node) in _HANDED_ON:
            return
        case _:
            raise SystemExit(f"line {node.lineno}: cannot tell what {ast.unparse(node)} may be")


def _constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                yield name, text


def _name_of(func: ast.expr) -> str:
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _class_of(func: ast.expr) -> str:
    """The class of the tree that is called; messages between peers have the same names."""
    match func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="errors"), attr=name):
            return name
    return ""


def _own_keys(node: ast.ClassDef) -> set[str]:
    """What its `__init__` tells its parent's, or adds."""
    keys: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(attr="__init__")):
                keys |= _keywords(inner)
            case ast.Subscript(
                value=ast.Attribute(attr="metadata"), slice=ast.Constant(value=str(key))
            ):
                keys.add(key)
    return keys


def _keywords(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}
