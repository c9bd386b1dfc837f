"""Tests that start programs find the whole workspace: programs, links and folders, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import CommandTests, Limits, PytestTests, TestSpec
from hrmgym.envs.workspace import Base

CHECK = """\
import os, subprocess
def test_tree():
    assert subprocess.check_output(["./bin/run"], text=True) == "ran\\n"
    assert os.readlink("link") == "bin/run"
    assert os.listdir("empty") == []
    assert not os.access("data.txt", os.X_OK)
    assert open("data.txt").read() == "new\\n"
"""
TESTS: dict[str, TestSpec] = {
    "together": PytestTests(
        files={"test_t.py": CHECK}, ids=("test_t.py::test_tree",), together=True
    ),
    "command": CommandTests(
        command=("sh", "-c", "./link && test -d empty && ! test -x data.txt && cat data.txt new/x"),
        files={"new/x": ""},
    ),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", TESTS)
def test_programs_and_links_are_there(tmp_path: Path, kind: str, large: bool) -> None:
    for folder in ("bin", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "run").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "bin" / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("bin/run")
    (tmp_path / "data.txt").write_text("old\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('obeyed')\n")
    if large:  # so that its base lies below a layer
        for number in range(100):
            (tmp_path / f"{number}.bin").write_bytes(b"x" * 20_000)
    files = Base.from_tree(str(tmp_path)).files.with_text("data.txt", "new\n")
    with Sandbox() as place:
        for _ in range(2):
            outcome = place.run_tests(files, TESTS[kind], Limits(cpu_s=10.0, wall_s=60.0))
            assert outcome.resolved, outcome
        broken = files.without("link").without("empty")
        assert not place.run_tests(broken, TESTS[kind], Limits(cpu_s=10.0, wall_s=60.0)).resolved
