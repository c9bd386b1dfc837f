"""Tests of how a source release becomes a workspace."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.fixes.layout import Layout, layout_of, unpacked
from hrmgym.errors import DataError
from hrmgym.tests.sdists import MODULE, TESTS, release, sdist


def laid(folder: Path, files: dict[str, str], name: str = "parcels") -> Layout:
    return layout_of(sdist(folder, "1.0", files, name), name, "1.0")


def test_a_src_layout_has_its_package_at_the_root_and_no_tests_in_it(tmp_path: Path) -> None:
    made = laid(tmp_path, release(MODULE, TESTS))
    assert dict(made.package) == {
        "parcels/__init__.py": "",
        "parcels/core.py": MODULE,
        "parcels/data.txt": "data\n",
        "parcels-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: parcels\nVersion: 1.0\n",
    }
    assert made.modules == ("tests/test_core.py", "tests/test_else.py")
    assert made.tests["tests/test_core.py"] == TESTS
    assert made.licence == "MIT"
    assert set(made.sources) == {"parcels/__init__.py", "parcels/core.py"}
    assert not (tmp_path / "ran").exists(), "something of the archive ran"


@pytest.mark.parametrize(
    ("files", "package", "modules"),
    [
        ({"a/__init__.py": "", "a/tests/test_b.py": ""}, {"a/__init__.py"}, ("a/tests/test_b.py",)),
        ({"a.py": "", "tests.py": "", "setup.py": ""}, {"a.py"}, ("tests.py",)),
        ({"a.py": "", "test_a.py": "", "tests.py": ""}, {"a.py"}, ("test_a.py",)),
        ({"lib/a/__init__.py": "", "test/a_test.py": ""}, {"a/__init__.py"}, ("test/a_test.py",)),
        ({"a/__init__.py": "", "a/b.so": "", "docs/__init__.py": ""}, {"a/__init__.py"}, ()),
        (
            {"a/__init__.py": "", "t.py": "", "tests/data/x.json": "{}"},
            {"a/__init__.py", "t.py"},
            (),
        ),
    ],
)
def test_packages_and_tests_are_told_apart(
    tmp_path: Path, files: dict[str, str], package: set[str], modules: tuple[str, ...]
) -> None:
    made = laid(tmp_path, files)
    assert {path for path in made.package if "dist-info" not in path} == package
    assert made.modules == modules


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\npython_files = check_*.py\naddopts = --cov\n"),
        ("tox.ini", "[tox]\n[pytest]\npython_files=check_*.py\n"),
        ("setup.cfg", "[tool:pytest]\npython_files =\n    check_*.py\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\npython_files = ["check_*.py"]\n'),
    ],
)
def test_a_configuration_says_which_files_hold_tests(tmp_path: Path, name: str, text: str) -> None:
    files = {"a.py": "", "tests/check_a.py": "", "tests/test_a.py": "", name: text}
    made = laid(tmp_path, files)
    assert made.modules == ("tests/check_a.py",)
    assert made.tests["pytest.ini"] == "[pytest]\npython_files = check_*.py\n"


def test_how_tests_are_imported_is_kept(tmp_path: Path) -> None:
    text = '[tool.pytest.ini_options]\naddopts = ["-ra", "--import-mode=importlib"]\n'
    made = laid(tmp_path, {"a.py": "", "pyproject.toml": text})
    assert made.tests["pytest.ini"] == "[pytest]\naddopts = --import-mode=importlib\n"


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    path = sdist(tmp_path, "1.0", {})
    with tarfile.open(path, "w:gz") as tar:
        for name, data in (("x/a.py", b"A = '\xe9'\n"), ("x/PKG-INFO", b"License: \xff\n")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    made = layout_of(path, "parcels", "1.0")
    assert made.package["a.py"].encode("utf-8", "surrogateescape") == b"A = '\xe9'\n"


@pytest.mark.parametrize("name", ["x/../../a.py", "/a.py"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="leaves the archive's folder"):
        unpacked(path)


def test_zip_archives_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x-1.0/a.py", "A = 1\n")
    assert unpacked(path) == {"a.py": b"A = 1\n"}


def test_what_is_no_archive_or_holds_no_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"x\.tar\.gz: not a readable archive"):
        layout_of(tmp_path / "x.tar.gz", "x", "1.0")
    with pytest.raises(DataError, match="holds no Python package"):
        laid(tmp_path, {"README": ""})
