"""The corpus of functions: how they are cut out, and its cache."""

from __future__ import annotations

import ast
import zlib
from pathlib import Path

import numpy as np
import pytest

from hrmgym.envs.bugs.operators import sample_mutation
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.edits.edit import apply, inverse
from hrmgym.trainers.data.corpus import (
    CorpusFunction,
    collect,
    read_cache,
    stdlib_functions,
    write_cache,
)

MODULE = '''
import os

def first(a, b):
    """Add.

    Twice.
    """

    c = a + b
    # and again
    return c + b

def short(): return 1

class Thing:
    @property
    def size(self):
        "The size."
        if self.parts:
            return len(self.parts)
        return 0

    def text(self):
        x = """a
        b"""
        return x

    class Inner:
        async def later(self, q):
            await q
            return q

def only_doc(a):
    """Nothing.

    Else.
    """

def clone(a, b):
    c = a + b  # the same as first
    return c + b
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "module.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "pkg" / "test").mkdir()
    (tmp_path / "pkg" / "test" / "skipped.py").write_text(
        "def skipped(a):\n    b = a\n    return b\n"
    )
    (tmp_path / "broken.py").write_text("def f(:\n")
    latin = "# -*- coding: latin-1 -*-\ndef latin(a):\n    b = 'é'\n    return a + b\n"
    (tmp_path / "latin.py").write_bytes(latin.encode("latin-1"))
    return tmp_path


def test_functions_are_cut_out(library: Path) -> None:
    found = {f.name: f for f in collect(library, "here", 3, 30)}
    assert list(found) == ["latin", "first", "size", "later"]
    assert found["first"] == CorpusFunction(
        name="first",
        code="def first(a, b):\n    c = a + b\n    # and again\n    return c + b\n",
        docstring="Add.\n\nTwice.",
        origin="here: pkg/module.py:4",
    )
    assert found["size"].code.startswith("def size(self):\n    if self.parts:\n")
    assert found["later"].code.startswith("async def later(self, q):\n    await q\n")
    assert "é" in found["latin"].code


def test_lengths_are_kept_to(library: Path) -> None:
    assert [f.name for f in collect(library, "here", 4, 4)] == ["first", "size"]
    assert [f.name for f in collect(library, "here", 5, 9)] == []
    assert [f.name for f in collect(library, "here", 1, 2)] == ["short"]


def test_cache_reads_back_and_is_mended(
    library: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    functions = tuple(collect(library, "here", 1, 30))
    path = tmp_path / "caches" / "functions.json.zlib"
    assert read_cache(path) is None
    assert caplog.text == ""
    write_cache(path, functions)
    assert read_cache(path) == functions
    intact = path.read_bytes()
    for broken in (intact[: len(intact) // 2], b"", zlib.compress(b"[[1]]"), zlib.compress(b"{")):
        caplog.clear()
        path.write_bytes(broken)
        assert read_cache(path) is None
        assert "broken" in caplog.text
        write_cache(path, functions)
        assert path.read_bytes() == intact
    assert list(path.parent.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "cache"
    write_cache(path, ())
    assert "not written" in caplog.text
    assert read_cache(path) is None


@pytest.mark.nightly
def test_standard_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HRMGYM_CACHE", str(tmp_path / "cache"))
    assert cache_dir() == tmp_path / "cache"
    functions = stdlib_functions()
    (stored,) = cache_dir().iterdir()
    assert read_cache(stored) == functions == stdlib_functions()
    assert len(functions) >= 7000
    assert len({function.code for function in functions}) == len(functions)
    assert not any("/test/" in function.origin for function in functions)

    rng = np.random.default_rng(0)
    sample = functions[::50]
    mutations = [sample_mutation(function.code, rng) for function in sample]
    for function, mutation in zip(sample, mutations, strict=True):
        assert len(ast.parse(function.code).body) == 1
        assert 3 <= function.code.count("\n") <= 30
        if mutation is not None:
            text = apply(function.code, mutation.edit)
            assert apply(text, inverse(function.code, mutation.edit)) == function.code
    assert mutations.count(None) <= 3
