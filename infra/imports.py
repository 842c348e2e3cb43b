"""What a module imports, read from the sources: modules of ours and packages of others, also those that are imported inside a function.

What is only for the type checker (``if TYPE_CHECKING``) is passed over, and so is what a package offers by a ``__getattr__``: who wants it asks for it by name, and that is followed.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LAZY: Final = "__getattr__"


@dataclass(slots=True)
class Found:
    """Modules by name with their files, names that have no source, names of modules of other packages, and the services that clients of AWS are made for."""

    modules: dict[str, Path] = field(default_factory=dict)
    compiled: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)


def follow(starts: Iterable[str], packages: Iterable[str], *, functions: bool = True) -> Found:
    """Follow the imports of modules within packages, with ``functions`` also those inside functions."""
    ours, found, waiting = frozenset(packages), Found(), [*starts]
    while waiting:
        name = waiting.pop()
        if name in found.modules:
            continue
        if name.partition(".")[0] not in ours:
            found.others.add(name)
            continue
        path = source(name)
        if path is None:  # a compiled module, or a name in a module
            found.compiled.add(name)
            continue
        found.modules[name] = path
        tree = ast.parse(path.read_text("utf-8"))
        found.services |= set(_services(tree))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [*imported(tree, package, functions=functions), *_parents(name)]
    return found


def _parents(name: str) -> Iterator[str]:
    parent = name.rpartition(".")[0]
    if parent:
        yield parent


def source(name: str) -> Path | None:
    """Answer the file of a module; ``None`` where it has no source, or is no module."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return path if path is not None and path.suffix == ".py" else None


def imported(tree: ast.AST, package: str, *, functions: bool = True) -> Iterator[str]:
    """List the names that a module imports: modules, and names in modules, which may be modules too."""
    for node in _run(tree, functions=functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names if alias.name != "*")


def _run(tree: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Walk what is run, with ``functions`` also when it is called."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.name == LAZY or not functions):
            continue
        yield node
        yield from _run(node, functions=functions)


def _services(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "client" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
