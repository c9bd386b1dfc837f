"""Imports of workspace modules from the texts at hand."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from hrmgym.envs.sandboxes.between.sources import Sources

FILES = {
    "ws_top.py": "import ws_pack.inner\nimport ws_space.deep.leaf as leaf\nVALUE = leaf.NAME\n",
    "ws_pack/__init__.py": "from .inner import DEEP\n",
    "ws_pack/inner.py": "DEEP = __name__, __package__\n",
    "ws_space/deep/leaf.py": "NAME = __name__\n",
    "src/ws_twice.py": "WHERE = 'src'\n",
    "ws_twice.py": "WHERE = 'top'\n",
    "ws_broken.py": "x = (\n",
    "ws_fails.py": "import sys\nSEEN = 1 / 0\n",
    "ws_other.py": "import sys, types\nsys.modules[__name__] = types.SimpleNamespace(a=1)\n",
    "ws_gone.py": "import sys\ndel sys.modules[__name__]\n",
    "ws_egg.py": "import ws_hen\nx = 1\n",
    "ws_hen.py": "from ws_egg import x\n",
    "ws_text.txt": "no module",
}


@pytest.fixture(autouse=True)
def installed() -> Iterator[Sources]:
    finders = sys.meta_path[:]
    made = Sources("/nowhere", ["src", ""], FILES)
    made.install()
    yield made
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("ws_")]:
        del sys.modules[name]


def test_modules_packages_and_folders() -> None:
    top = importlib.import_module("ws_top")
    assert top.VALUE == "ws_space.deep.leaf"
    assert top.__file__ == "/nowhere/ws_top.py"
    pack = importlib.import_module("ws_pack")
    assert pack.DEEP == ("ws_pack.inner", "ws_pack")
    assert pack.__path__ == ["/nowhere/ws_pack"]
    assert pack.__file__ == "/nowhere/ws_pack/__init__.py"


def test_the_first_folder_wins() -> None:
    assert importlib.import_module("ws_twice").WHERE == "src"


def test_what_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="ws_none"):
        importlib.import_module("ws_none")
    with pytest.raises(ModuleNotFoundError, match="ws_text"):
        importlib.import_module("ws_text")
    with pytest.raises(ModuleNotFoundError, match="is not a package"):
        importlib.import_module("ws_top.below")


def test_errors_name_the_file() -> None:
    with pytest.raises(SyntaxError) as raised:
        importlib.import_module("ws_broken")
    assert raised.value.filename == "/nowhere/ws_broken.py"
    assert "ws_broken" not in sys.modules


# --- without the import system ---


def test_a_loaded_module_is_what_an_import_gives(installed: Sources) -> None:
    loaded = installed.load("ws_twice")
    assert loaded is sys.modules.pop("ws_twice")
    imported = importlib.import_module("ws_twice")
    assert loaded is not None
    kept = {name: value for name, value in vars(imported).items() if name != "__spec__"}
    assert {name: value for name, value in vars(loaded).items() if name != "__spec__"} == kept
    assert loaded.__spec__ == imported.__spec__


@pytest.mark.parametrize("name", ["ws_pack", "ws_pack.inner", "ws_space", "ws_none", "ws_text"])
def test_what_lies_in_packages_or_is_not_there_is_left_to_imports(
    installed: Sources, name: str
) -> None:
    assert installed.load(name) is None


def test_what_is_loaded_is_not_loaded_again(installed: Sources) -> None:
    importlib.import_module("ws_twice")
    assert installed.load("ws_twice") is None


def test_a_module_that_fails_leaves_nothing_behind(installed: Sources) -> None:
    with pytest.raises(ZeroDivisionError):
        installed.load("ws_fails")
    assert "ws_fails" not in sys.modules


def test_a_module_may_put_another_object_in_its_place(installed: Sources) -> None:
    loaded = installed.load("ws_other")
    assert loaded is sys.modules["ws_other"]
    assert vars(loaded) == {"a": 1}


def test_a_module_that_removes_itself_fails_as_an_import_does(installed: Sources) -> None:
    with pytest.raises(KeyError, match="ws_gone"):
        importlib.import_module("ws_gone")
    with pytest.raises(KeyError, match="ws_gone"):
        installed.load("ws_gone")


def test_circles_are_named(installed: Sources) -> None:
    with pytest.raises(ImportError, match="partially initialized module 'ws_egg'"):
        installed.load("ws_egg")
