"""Imports of workspace modules from the texts at hand."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from hrmgym.envs.sandboxes.sources import Sources

FILES = {
    "ws_top.py": "import ws_pack.inner\nimport ws_space.deep.leaf as leaf\nVALUE = leaf.NAME\n",
    "ws_pack/__init__.py": "from .inner import DEEP\n",
    "ws_pack/inner.py": "DEEP = __name__, __package__\n",
    "ws_space/deep/leaf.py": "NAME = __name__\n",
    "src/ws_twice.py": "WHERE = 'src'\n",
    "ws_twice.py": "WHERE = 'top'\n",
    "ws_broken.py": "x = (\n",
    "ws_text.txt": "no module",
}


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    finders = sys.meta_path[:]
    Sources("/nowhere", ["src", ""], FILES).install()
    yield
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
