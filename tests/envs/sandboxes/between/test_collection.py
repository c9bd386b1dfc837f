"""Which tests are collected before the tested code is there: a run of them is the fastest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hrmgym.tests.envs.sandboxes.shapes import SHAPES

_COLLECT = """
import json, os, sys
from hrmgym.envs.sandboxes.between import examination
request = json.loads(sys.argv[1])
examination.load()
course = examination.Course(request, os.getcwd())
course.prepare()
course.collect()
print(json.dumps([course.finder.used, [item.nodeid for item in course.items]]))
"""
#: Those whose tests follow from the test files alone.
EARLY = (
    *("from", "as", "inside", "inside as", "import_module", "import_module inside"),
    *("import_module name", "__import__", "fixture", "conftest", "conftest inside"),
    *("setUpClass", "setUpModule", "subTest", "setup_method", "ids"),
)


@pytest.mark.parametrize("name", [*EARLY, "star", "ids of the code", "hasattr", "at import"])
def test_collection_without_the_tested_code(tmp_path: Path, name: str) -> None:
    text, names, conftest = SHAPES[name]
    files = {"test_a.py": text} | ({"conftest.py": conftest} if conftest else {})
    for path, content in files.items():
        (tmp_path / path).write_text(content)
    ids = [f"test_a.py::{one}" for one in names]
    request = {"files": files, "ids": ids, "args": [], "config": None, "targets": ["test_a.py"]}
    request |= {"plain": True, "seeds": False}
    done = subprocess.run(
        [sys.executable, "-c", _COLLECT, json.dumps(request)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    used, found = json.loads(done.stdout.splitlines()[-1])
    assert used is (name not in EARLY)
    if not used:
        assert found == ids
