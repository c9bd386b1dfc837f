"""Which folder is a project's root, and what of it is copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.projects import layout
from hrmgym.experiments.projects.layout import (
    project_of,
    pytest_config,
    read_project,
    roots,
    sets_path,
)
from hrmgym.tests.experiments.projects.small_projects import SHOP, write


def test_the_root_is_the_nearest_folder_with_settings(tmp_path: Path) -> None:
    root = write(tmp_path / "shop", SHOP)
    cart, tests = root / "src/shop/cart.py", root / "tests/test_cart.py"
    assert roots(cart, tests) == [root]
    assert roots(cart, cart) == [root]
    assert roots(root / "src", tests) == [root]


def test_without_settings_it_is_the_working_folder_or_the_nearest_that_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, {"p/q/__init__.py": "", "p/q/a.py": "", "p/q/test_a.py": ""})
    paths = root / "p/q/a.py", root / "p/q/test_a.py"
    monkeypatch.chdir("/")
    assert roots(*paths) == [root / "p"]
    monkeypatch.chdir(root)
    assert roots(*paths) == [root, root / "p"]
    monkeypatch.setenv("HOME", str(root))
    assert roots(*paths) == [root / "p"]
    with pytest.raises(ConfigError, match="share no folder but /; name one with --root"):
        roots(Path("/usr/a.py"), Path("/opt/test_a.py"))


def test_other_peoples_files_and_what_tools_made_are_not_copied(tmp_path: Path) -> None:
    root = write(
        tmp_path / "p",
        {
            "a.py": "x = 'ö'\n",
            "data/table.csv": "1,2\n",
            "build/__init__.py": "",
            "dist/a.whl": "",
            "env/pyvenv.cfg": "",
            "env/lib/b.py": "",
            **dict.fromkeys((".git/config", ".venv/c.py", "node_modules/d.js"), ""),
            **dict.fromkeys(("__pycache__/a.pyc", "a.egg-info/PKG-INFO"), ""),
        },
    )
    (root / "raw.bin").write_bytes(b"\xff\x00")
    (root / "big.bin").write_bytes(bytes(layout.MOST_BYTES_OF_ONE + 1))
    (root / "inside.py").symlink_to("a.py")
    (root / "outside.py").symlink_to("/etc/hostname")
    (root / "gone.py").symlink_to("nowhere")
    (root / "elsewhere").symlink_to("/etc")
    project = read_project(root)
    assert sorted(project.files) == [
        *("a.py", "build/__init__.py", "data/table.csv", "inside.py", "raw.bin")
    ]
    assert project.files["raw.bin"].encode("utf-8", "surrogateescape") == b"\xff\x00"
    assert sorted(project.left_out) == [
        "big.bin: 8 MB",
        "elsewhere: a link to a folder",
        "gone.py: No such file or directory",
        "outside.py: a link that leads out of the project",
    ]


def test_too_large_a_folder_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_FILES", 2)
    root = write(tmp_path / "p", dict.fromkeys(("a.py", "b.py", "c.py"), ""))
    with pytest.raises(ConfigError, match=r"more than 2 files.*--root"):
        read_project(root)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "p", {"sub/test_a.py": "", "sub/a.py": ""})
    small = root / "sub"
    assert project_of(small / "a.py", small / "test_a.py").root == small
    with pytest.raises(ConfigError, match="no such folder"):
        read_project(root / "none")


@pytest.mark.parametrize(
    ("files", "config", "path"),
    [
        ({"setup.cfg": "[metadata]\nname = a\n"}, "", False),
        ({"setup.cfg": "[tool:pytest]\npythonpath = src\n"}, "setup.cfg", True),
        ({"tox.ini": "[pytest]\n"}, "tox.ini", False),
        ({"pyproject.toml": "[project]\n", "tox.ini": "[pytest]\n"}, "tox.ini", False),
        ({"pyproject.toml": "[tool.pytest.ini_options]\npythonpath='src'"}, "pyproject.toml", True),
        ({"pyproject.toml": "not toml", ".pytest.ini": "[pytest]"}, ".pytest.ini", False),
        ({"pytest.ini": "", "pyproject.toml": "[tool.pytest]\n"}, "pytest.ini", False),
    ],
)
def test_the_settings_are_those_that_pytest_takes(
    files: dict[str, str], config: str, path: bool
) -> None:
    assert pytest_config(files) == config
    assert bool(config and sets_path(files, config)) is path
