"""Makes packages load what is asked of them, and not all that they have. Their names and what these are stay the same.

Some packages gather every name that they have in their `__init__`, so that whoever wants one loads them all. (Python
will have lazy imports of its own; until then the build writes them.) Classes stay those of the modules that define
them: nothing here changes what an `isinstance`, an `except` or a pickle sees. What can't be rewritten so that this is
certain raises `ValueError`, and the build ends.
"""

from __future__ import annotations

import ast
from pathlib import Path

# Submodules too: who imports the package may count on those that it has loaded so far.
_ON_DEMAND = """
def __getattr__(name):
    from importlib import import_module
    from importlib.util import find_spec

    if name in _WHERE:
        module, wanted = _WHERE[name]
        found = import_module(module, __package__)
        value = globals()[name] = getattr(found, wanted) if wanted else found
        return value
    if "__path__" in globals() and find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_WHERE})
"""
_NOTICE = "# Changed by Heliograph's build: it loads no more than is asked of it.\n"


def gather_on_demand(init: Path) -> None:
    """Rewrites an `__init__` that does nothing but gather names."""
    source = init.read_text()
    kept: list[ast.stmt] = []
    where: dict[str, tuple[str, str]] = {}
    has_all = False
    for node in ast.parse(source).body:
        match node:
            case ast.Expr(value=ast.Constant()):
                kept.append(node)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value) if _is_plain(value):
                kept.append(node)
                has_all = True
            case ast.ImportFrom(module=str(module), level=level) if module != "__future__":
                for name in node.names:
                    own = name.asname or name.name
                    if own == module.rpartition(".")[2]:
                        # To load the module would put it in the place of what is named like it.
                        kept.append(ast.ImportFrom(module, [name], level))
                    elif own == "*" or _is_submodule(init.parent, own):
                        raise ValueError(f"{init}: what {own} is would depend on who comes first")
                    else:
                        where[own] = ("." * level + module, name.name)
            case _:
                raise ValueError(f"{init} does more than to gather names: {ast.unparse(node)}")
    if not has_all:
        raise ValueError(f"{init} does not say what `import *` brings")
    _write(init, source, kept, where)


def import_where_used(path: Path, package: str) -> None:
    """Moves a module's imports from a package into the functions that use them; others still find them in it."""
    source = path.read_text()
    tree = ast.parse(source)
    imports: list[ast.stmt] = []
    moved: dict[str, ast.ImportFrom | ast.Import] = {}
    where: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        match node:
            case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] == package:
                imports.append(node)
                for alias in node.names:
                    own = alias.asname or alias.name
                    moved[own], where[own] = ast.ImportFrom(module, [alias], 0), (module, alias.name)
            case ast.Import(names=[ast.alias(name=module, asname=None)]) if module == package:
                imports.append(node)
                moved[module], where[module] = node, (module, "")
    inside: set[int] = set()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        within = [node for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Name)]
        inside |= {id(node) for node in within}
        # Behind the docstring, if there is one.
        at = 1 if ast.get_docstring(function) is not None else 0
        function.body[at:at] = [moved[name] for name in sorted({node.id for node in within} & set(moved))]
    for used in ast.walk(tree):
        match used:
            case ast.Name(id=name) if name in moved and id(used) not in inside:
                raise ValueError(f"{path}: {name} is used outside of functions")
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name) if name in moved:
                raise ValueError(f"{path}: {name} means something else in a function")
    kept = [node for node in tree.body if node not in imports]
    _write(path, source, kept, where)


def forget_members(path: Path) -> None:
    """Empties a module's `TypedDict`s: what their members are is for type checkers. To make them takes 10 ms of CPU.

    At run time such a class makes plain dicts, whatever its members; only `__annotations__` would tell.
    """
    source = path.read_text()
    tree = ast.parse(source)
    if any(isinstance(node, ast.Attribute) and node.attr == "__annotations__" for node in ast.walk(tree)):
        raise ValueError(f"{path} looks at annotations")
    emptied = 0
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["TypedDict"]:
            if not all(isinstance(member, ast.AnnAssign | ast.Expr) for member in node.body):
                raise ValueError(f"{path}: {node.name} does more than to name members")
            node.body = [member for member in node.body if isinstance(member, ast.Expr)] or [ast.Pass()]
            emptied += 1
    if not emptied:
        raise ValueError(f"{path} has no TypedDict")
    _write(path, source, tree.body, {})


def _is_plain(value: ast.expr) -> bool:
    return isinstance(value, ast.List | ast.Tuple) and all(isinstance(name, ast.Constant) for name in value.elts)


def _is_submodule(package: Path, name: str) -> bool:
    return (package / name).is_dir() or any(package.glob(f"{name}.*"))


def _write(path: Path, source: str, body: list[ast.stmt], where: dict[str, tuple[str, str]]) -> None:
    # Whose it is, and under which licence.
    head = [line + "\n" for line in source.splitlines() if line.startswith("#")]
    module = ast.fix_missing_locations(ast.Module(body, []))
    on_demand = f"\n\n_WHERE = {where!r}\n\n{_ON_DEMAND}" if where else "\n"
    text = "".join([*head, _NOTICE, ast.unparse(module), on_demand])
    compile(text, path, "exec")
    path.write_text(text)
