"""Makes packages load what is asked of them, and not all that they have. Their names and what these do stay the same.

Some packages gather every name that they have in their `__init__`, so that whoever wants one loads them all. (Python
will have lazy imports of its own; until then the build writes them.)
"""

from __future__ import annotations

import ast
from pathlib import Path

_ON_DEMAND = """
_WHERE = {where!r}


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
    from importlib import import_module

    module, wanted = _WHERE[name]
    value = globals()[name] = getattr(import_module(module, __name__), wanted)
    return value
"""


def gather_on_demand(init: Path) -> None:
    """Rewrites an `__init__` that does nothing but gather names. Raises `ValueError` for one that does more."""
    kept: list[str] = []
    where: dict[str, tuple[str, str]] = {}
    for node in ast.parse(init.read_text()).body:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name(id="__all__")]):
                kept.append(ast.unparse(node))
            case ast.ImportFrom(module=str(module), level=level) if module != "__future__":
                for name in node.names:
                    own = name.asname or name.name
                    if own == module.rpartition(".")[2]:
                        # To load the module would put it in the place of what is named like it.
                        kept.append(ast.unparse(ast.ImportFrom(module, [name], level)))
                    else:
                        where[own] = ("." * level + module, name.name)
            case _:
                raise ValueError(f"{init} does more than to gather names: {ast.unparse(node)}")
    init.write_text("\n".join(kept) + "\n" + _ON_DEMAND.format(where=where))


def import_where_used(source: Path, package: str) -> None:
    """Moves a module's imports from a package into the functions that use them, and drops them from its top.

    Raises `ValueError` where something else uses them too.
    """
    lines = source.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    moved = {
        name.asname or name.name: (node, f"from {node.module} import {ast.unparse(name)}")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == package
        for name in node.names
    }
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(used) for function in functions for body in function.body for used in ast.walk(body)}
    for used in ast.walk(tree):
        if isinstance(used, ast.Name) and used.id in moved and id(used) not in inside:
            raise ValueError(f"{source}: {used.id} is used outside of functions")
    new_lines: dict[int, list[str]] = {}
    for function in functions:
        names = {used.id for body in function.body for used in ast.walk(body) if isinstance(used, ast.Name)}
        first = function.body[0]
        wanted = [" " * first.col_offset + moved[name][1] for name in sorted(names & set(moved))]
        # Behind the docstring, if there is one.
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        new_lines[(first.end_lineno or first.lineno) + 1 if documented else first.lineno] = wanted
    dropped = {line for node, _ in moved.values() for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    written: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        written += new_lines.get(number, [])
        if number not in dropped:
            written.append(line)
    source.write_text("\n".join(written))
