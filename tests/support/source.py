"""Reading the repository's own source: where it is, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imports_at_run_time(module: str, path: Path, known: Container[str]) -> set[str]:
    """Return the modules that a module imports, at its top or in a function; those only for types do not count."""
    tree = ast.parse(path.read_text())
    for_types = {id(node) for block in ast.walk(tree) if _is_for_types(block) for node in ast.walk(block)}
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return {name for node in ast.walk(tree) if id(node) not in for_types for name in _imported(node, package, known)}


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imported(node: ast.AST, package: str, known: Container[str]) -> Iterator[str]:
    """Yield what one statement imports: `from a import b` is a.b where that is a module, and else a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        start = parts[: len(parts) - node.level + 1] if node.level else []
        base = ".".join([*start, *([node.module] if node.module else [])])
        for alias in node.names:
            name = f"{base}.{alias.name}"
            yield name if name in known else base
