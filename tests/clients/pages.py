"""Code blocks of the documentation, run as they stand, in small: their trainings take seconds."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from hrmgym.tests.clients.registry import run_script

DOCS = Path(__file__).parent.parent.parent / "docs"

#: A training of the shipped experiment `demo` that takes a second or two.
TINY = {
    "policy": {
        **{"kind": "hrm", "hidden_size": 16, "num_heads": 2, "H_layers": 1, "L_layers": 1},
        **{"H_cycles": 1, "L_cycles": 1},
    },
    "trainer": {
        **{"kind": "ppo", "total_timesteps": 16, "n_envs": 2, "n_steps": 4, "batch_size": 8},
        **{"n_epochs": 1, "eval_every": 8, "eval_episodes": 1},
    },
    "trainer.warm_start": None,
    "score.before": False,
    "env.max_steps": 2,
}
#: What a block's own keys do not change: without it, a training of `TINY` would not be small, or
#: would have no evaluation to report.
_KEPT = {"trainer.eval_every": 8}

#: Python imports it at the start of each process, Ray's workers too, so that the block itself is
#: run to the letter. It costs nothing where `hrmgym.api` is not imported.
_SITE = """
import importlib.abc
import importlib.util
import json
import os
import sys


class WhenImported(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "hrmgym.api":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            make_small(module)

        spec.loader.exec_module = exec_module
        return spec


def make_small(api):
    given = json.loads(os.environ["HRMGYM_TESTS_SMALL"])
    real_train, real_score = api.train, api.score

    def train(config=None, overrides=(), **options):
        if config is not None:
            overrides = {**given["train"], **dict(overrides), **given["kept"]}
        return real_train(config, overrides, **options)

    def score(config, overrides=(), **options):
        return real_score(config, {**given["score"], **dict(overrides)}, **options)

    api.train, api.score = train, score


sys.meta_path.insert(0, WhenImported())
"""


def blocks(page: str) -> dict[str, str]:
    """Heading -> the Python below it, of a page of `docs`; there is at most one each.

    Raises:
        AssertionError: A heading has two.
    """
    found: dict[str, str] = {}
    heading = ""
    for part in re.split(
        r"^(#+ [^\n]*\n|```python\n.*?^```\n)",
        (DOCS / page).read_text("utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    ):
        if part.startswith("#"):
            heading = part.strip("# \n")
        elif part.startswith("```python"):
            assert heading not in found, f"{page}: {heading}: two blocks"
            found[heading] = part.removeprefix("```python\n").removesuffix("```\n")
    return found


def run_block(page: str, heading: str, folder: Path, task: str, timeout_s: float = 500) -> str:
    """Runs one block of a page in a folder; what it printed.

    Args:
        page: A file of `docs`.
        heading: The one above the block.
        folder: An empty one.
        task: The one task that a training's checkpoint is scored on.
        timeout_s: Seconds until it is given up.

    Raises:
        AssertionError: It has failed.
    """
    (folder / "sitecustomize.py").write_text(_SITE, "utf-8")
    (folder / "block.py").write_text(blocks(page)[heading], "utf-8")
    small = {
        "train": TINY | {"benchmark.tasks": [task]},
        "kept": _KEPT,
        "score": {"benchmark.tasks": ["flatten"], "score.k": [1, 2]},
    }
    variables = {"HRMGYM_TESTS_SMALL": json.dumps(small), "PYTHONPATH": str(folder)}
    return run_script(
        Path(sys.executable), folder / "block.py", folder, variables, timeout_s=timeout_s
    )
