"""The loop for mini-swe-agent in docs/environments.md is the one that its script tries."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "environments.md"
SCRIPT = HERE / "scripts" / "mini_swe_agent_loop.py"


def test_the_documented_loop_is_the_script_s() -> None:
    section = PAGE.read_text("utf-8").partition("\n## Language-model agents: mini-swe-agent\n")[2]
    block, use = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    imports, _, loop = block.partition("\n\n\n")
    script = SCRIPT.read_text("utf-8")
    assert "def execute(self, action" in loop
    assert f"\n\n\n{loop}\n\n" in script
    assert "run_episode(env, " in use
    known = {line.partition("  #")[0] for line in script.splitlines()}
    assert {line for line in imports.splitlines() if line} <= known
