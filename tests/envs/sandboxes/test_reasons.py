"""How runs of each kind of tests end, and that a step's info says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import (
    CommandTests,
    Limits,
    PytestTests,
    Reason,
    StdioCase,
    StdioTests,
    TestSpec,
    Workspace,
)
from hrmgym.tests.tiny import DOUBLE, OneTask, double_task

TEST = "from double import double\ndef test_a():\n    assert double(3) == 6\n"
MAIN = "from double import double\nprint(double(3))\n"
SPECS: dict[str, TestSpec] = {
    "calls": double_task().visible_tests,
    "stdio": StdioTests(path="main.py", cases=(StdioCase(id="a", stdin="", expected="6"),)),
    "pytest apart": PytestTests(files={"test_x.py": TEST}, ids=("test_x.py::test_a",)),
    "pytest together": PytestTests(
        files={"test_x.py": TEST}, ids=("test_x.py::test_a",), together=True
    ),
    "command": CommandTests(
        command=("python3", "-c", "from double import double; assert double(3) == 6")
    ),
}
BODIES = {
    Reason.SOLVED: "return x * 2",
    Reason.FAILED: "return x * 3",
    Reason.TIMEOUT: "while True: pass",
    Reason.OUT_OF_MEMORY: "return [bytearray(1 << 20) for _ in range(1 << 20)]",
}


@pytest.mark.parametrize("reason", BODIES)
@pytest.mark.parametrize("kind", SPECS)
def test_how_an_episode_ends(kind: str, reason: Reason) -> None:
    if (kind, reason) == ("command", Reason.OUT_OF_MEMORY):
        reason = Reason.FAILED  # an exit status of 1, as the command's own
        body = BODIES[Reason.OUT_OF_MEMORY]
    else:
        body = BODIES[reason]
    task = replace(
        double_task(),
        workspace=Workspace(files={"double.py": DOUBLE, "main.py": MAIN}),
        visible_tests=SPECS[kind],
        hidden_tests=SPECS[kind],
        limits=Limits(cpu_s=2.0, wall_s=20.0, memory_mb=256),
    )
    env = SoftwareEnv(OneTask(task), auto_submit=False)
    try:
        files = {"double.py": f"def double(x):\n    {body}\n"}
        _, info = env.reset(seed=0, options={"files": files})
        assert info["reason"] == ("" if reason is Reason.SOLVED else reason)
        info = _submitted(env)
        assert (info["reason"], info["failure"]) == (reason, "")
        assert info["is_success"] == (reason is Reason.SOLVED)
    finally:
        env.close()


def _submitted(env: SoftwareEnv) -> dict[str, Any]:
    *_, info = env.step(tool_action("submit"))
    return info
