from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from lazy_imports import forget_members, gather_on_demand, import_where_used

Package = Callable[..., Path]
INIT = '''# Copyright of somebody.
"""What it is for."""

from gathered.circle import Circle, TooRound
from gathered.square import Square as Quadrat
from .line import line

__all__ = ["Circle", "Quadrat", "TooRound", "line"]
'''
MODULES = {
    "circle": "class Circle:\n    pass\nclass TooRound(Exception):\n    pass\n",
    "square": "class Square:\n    pass\n",
    "line": "def line():\n    return 'straight'\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    def made(init: str, **modules: str) -> Path:
        folder = tmp_path / "gathered"
        folder.mkdir()
        (folder / "__init__.py").write_text(init)
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return folder

    monkeypatch.syspath_prepend(str(tmp_path))
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "gathered"]:
        del sys.modules[name]


@pytest.fixture
def gathered(package: Package) -> ModuleType:
    gather_on_demand(package(INIT, **MODULES) / "__init__.py")
    return importlib.import_module("gathered")


def test_a_name_is_loaded_when_it_is_asked_for(gathered: ModuleType) -> None:
    assert "gathered.circle" not in sys.modules
    assert gathered.Circle is sys.modules["gathered.circle"].Circle
    assert gathered.Quadrat is importlib.import_module("gathered.square").Square


def test_everything_that_was_there_still_is(gathered: ModuleType) -> None:
    namespace: dict[str, object] = {}
    exec("from gathered import *", namespace)  # noqa: S102
    assert set(gathered.__all__) < set(namespace)
    assert set(gathered.__all__) < set(dir(gathered))
    assert gathered.__doc__ == "What it is for."


def test_a_function_named_like_its_module_stays_a_function(gathered: ModuleType) -> None:
    assert gathered.line() == "straight"
    importlib.import_module("gathered.line")
    assert gathered.line() == "straight"


def test_modules_that_the_package_used_to_load_are_found_in_it(gathered: ModuleType) -> None:
    assert gathered.circle.Circle is gathered.Circle


def test_what_was_never_there_is_not(gathered: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'Triangle'"):
        _ = gathered.Triangle
    with pytest.raises(ImportError):
        exec("from gathered import Triangle")  # noqa: S102


def test_exceptions_and_pickles_are_of_the_same_class_however_it_was_reached(gathered: ModuleType) -> None:
    caught = importlib.import_module("gathered.circle").TooRound
    with pytest.raises(caught):
        raise gathered.TooRound
    assert type(pickle.loads(pickle.dumps(gathered.Circle()))) is gathered.Circle  # noqa: S301


def test_whose_it_is_stays_written_at_the_top_and_that_it_was_changed(gathered: ModuleType) -> None:
    lines = Path(str(gathered.__file__)).read_text().splitlines()
    assert lines[0] == "# Copyright of somebody."
    assert "Changed by Heliograph's build" in lines[1]


@pytest.mark.parametrize(
    "init",
    [
        "__all__ = ['x']\nimport os\n",
        "__all__ = ['x']\nfrom .x import x\nx.configure()\n",
        "__all__ = ['x']\ntry:\n    from .x import x\nexcept ImportError:\n    pass\n",
        "from .x import *\n__all__ = []\n",
        "from .y import y_of\nfrom . import x\n__all__ = []\n",
        "from .x import x\n",
        "from .y import x\n__all__ = ['x']\n",
        "from . import y\nfrom .x import Y\n__all__ = y.__all__ + ['Y']\n",
        "from .x import Y\n__all__ = [*Y.names]\n",
    ],
)
def test_an_init_that_does_more_is_not_touched(init: str, package: Package) -> None:
    path = package(init, x="", y="") / "__init__.py"
    with pytest.raises(ValueError, match="__init__"):
        gather_on_demand(path)
    assert path.read_text() == init


def test_an_import_moves_to_where_it_is_used(package: Package) -> None:
    folder = package(
        "",
        circle=MODULES["circle"],
        drawing='''
from gathered.circle import Circle as Round, TooRound
import json

class Board:
    def draw(self):
        """Draws."""
        def again(): return Round()
        return again()

def catch():
    try:
        raise TooRound
    except TooRound as error:
        return json.dumps(type(error).__name__)
''',
    )
    import_where_used(folder / "drawing.py", "gathered")
    drawing = importlib.import_module("gathered.drawing")
    assert "gathered.circle" not in sys.modules
    assert type(drawing.Board().draw()).__name__ == "Circle"
    assert drawing.catch() == '"TooRound"'
    assert drawing.Board.draw.__doc__ == "Draws."
    assert drawing.Round is sys.modules["gathered.circle"].Circle


@pytest.mark.parametrize(
    "used",
    [
        "class Ball(Circle):\n    pass\n",
        "def draw(of=Circle):\n    return of\n",
        "@Circle\ndef draw():\n    pass\n",
        "def draw(Circle):\n    return Circle\n",
        "def draw():\n    Circle = 1\n    return Circle\n",
    ],
)
def test_what_would_mean_something_else_is_not_moved(used: str, package: Package) -> None:
    path = package("", circle=MODULES["circle"]) / "drawing.py"
    path.write_text(f"from gathered.circle import Circle\n{used}")
    with pytest.raises(ValueError, match="Circle"):
        import_where_used(path, "gathered")


def test_a_module_moves_too(package: Package) -> None:
    text = "import gathered\nasync def draw():\n    return gathered.circle\n"
    path = package("", circle=MODULES["circle"]) / "drawing.py"
    path.write_text(text)
    import_where_used(path, "gathered")
    written = path.read_text()
    assert "async def draw():\n    import gathered\n    return gathered.circle" in written
    assert written.count("import gathered\n") == 1
    assert importlib.import_module("gathered.drawing").gathered is sys.modules["gathered"]


def test_typed_dicts_make_the_same_dicts_without_their_members(package: Package) -> None:
    typed = """from __future__ import annotations
from typing import TypedDict, Union
class Size(TypedDict, total=False):
    'Of it.'
    width: NoSuchType
Any = Union[Size, int]
"""
    folder = package("", typed=typed)
    forget_members(folder / "typed.py")
    made = importlib.import_module("gathered.typed")
    assert made.Size(width=3) == {"width": 3}
    assert made.Size.__annotations__ == {}
    assert made.Size.__doc__ == "Of it."


@pytest.mark.parametrize(
    "text",
    [
        "class Size:\n    width: int\n",
        "class Size(TypedDict):\n    width: int\nprint(Size.__annotations__)\n",
        "class Size(TypedDict):\n    width: int\n    def area(self): ...\n",
    ],
)
def test_what_may_need_its_members_keeps_them(text: str, package: Package) -> None:
    path = package("") / "typed.py"
    path.write_text(text)
    with pytest.raises(ValueError, match="typed"):
        forget_members(path)
