"""Small source archives written by hand: releases of a package that does not exist."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

MODULE = '''\
"""Parcels."""


def total(weights, *, limit=10):
    """Sum of weights, none of them over the limit."""
    found = 0
    for weight in weights:
        if weight >= limit:  # too heavy
            continue
        found += weight
    return found


def _clean(name):
    return name.strip()


def label(name, street):
    return _clean(name) + ", " + street


class Parcel:
    def __init__(self, name):
        self.name = name

    def same(self, other):
        return self.name == other.name

    @property
    def short(self):
        return self.name[:3]


def never(x):
    return x
'''
#: A bound, a case-insensitive comparison, a helper by another name, and a function without a test.
NEWER = (
    MODULE.replace("weight >= limit:  # too heavy", "weight > limit:")
    .replace("self.name == other.name", "self.name.lower() == other.name.lower()")
    .replace("_clean", "_tidy")
    .replace("return x\n", "return -x\n")
)
TESTS = """\
import pytest

from parcels import core
from parcels.core import Parcel
from .helper import made


@pytest.mark.parametrize("weights", [[], [1], [1, 2], [4, 11]])
def test_total(weights):
    assert core.total(weights) == sum(w for w in weights if w < 10)


def test_total_of_none_is_zero():
    assert core.total([]) == 0


def test_total_of_one():
    assert core.total([3]) == 3


def test_total_skips_what_is_heavy():
    assert core.total([99, 1]) == 1


def test_label():
    assert core.label(" Ann ", "Elm") == "Ann, Elm"


class TestParcel:
    def test_same(self):
        assert made("a").same(made("a"))

    def test_other(self):
        assert not made("a").same(made("b"))

    def test_short(self):
        assert Parcel("abcd").short == "abc"

    def test_long_names(self):
        assert made("x" * 50).same(made("x" * 50))
"""
NEWER_TESTS = (
    TESTS.replace(
        "def test_label",
        "def test_the_limit_itself():\n    assert core.total([10]) == 10\n\n\n"
        "def test_another_limit():\n    assert core.total([5, 6], limit=5) == 5\n\n\n"
        "def test_label",
    )
    + """
    def test_case(self):
        assert made("Ann").same(made("ANN"))
"""
)
HELPER = "from parcels.core import Parcel\n\n\ndef made(name):\n    return Parcel(name)\n"
#: What must never run outside of a sandbox.
SETUP = "import pathlib\npathlib.Path({mark!r}).write_text('ran')\nraise SystemExit(1)\n"
PROJECT = (
    '[build-system]\nrequires = ["nothing"]\nbuild-backend = "backend"\nbackend-path = ["tools"]\n'
)


def sdist(folder: Path, version: str, files: Mapping[str, str], name: str = "parcels") -> Path:
    """Writes a source archive, with a build script and a backend that leave a mark if they run."""
    mark = str(folder / "ran")
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\nText.\n"
    own = {
        "PKG-INFO": about,
        "setup.py": SETUP.format(mark=mark),
        "tools/backend.py": SETUP.format(mark=mark),
        "pyproject.toml": PROJECT,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for member, text in {**own, **files}.items():
            data = text.encode()
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def release(module: str, tests: str) -> dict[str, str]:
    """The files of a release with a `src` layout."""
    return {
        "src/parcels/__init__.py": "",
        "src/parcels/core.py": module,
        "src/parcels/data.txt": "data\n",
        "tests/__init__.py": "",
        "tests/helper.py": HELPER,
        "tests/test_core.py": tests,
        "tests/test_else.py": "def test_else():\n    assert True\n",
        "docs/conf.py": "",
    }


def index(folder: Path) -> None:
    """Three releases: the second mends the first, the third says so in a docstring."""
    again = NEWER.replace("Parcels.", "Parcels, mended.")
    sdist(folder, "1.0", release(MODULE, TESTS))
    sdist(folder, "1.1", release(NEWER, NEWER_TESTS))
    sdist(folder, "1.2", release(again, NEWER_TESTS))
