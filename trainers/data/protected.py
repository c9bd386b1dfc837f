"""The programs that nothing may be trained on: the registered benchmarks', and HumanEval's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from hrmgym.config import named_path
from hrmgym.envs.benchmark import catalogue, make_benchmark
from hrmgym.envs.benchmarks.data import DATA_VARIABLE
from hrmgym.errors import DataError

HUMANEVAL = "humaneval/HumanEval.jsonl.gz"
"""Below the data folder; nobody is scored on it here, but others are."""


def protected_programs() -> tuple[dict[str, str], list[str]]:
    """Python programs and solutions of all benchmarks whose data are here.

    Benchmarks that are split by package are not among them: packages that anything is trained on
    are in their split `train`.

    Returns:
        Name -> text, and one line for each benchmark that could not be read.
    """
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in catalogue():
        try:
            benchmark = make_benchmark(name)
            if benchmark.split_by_package:
                continue
            for split in benchmark.splits:
                for task in benchmark.tasks(split):
                    if task.language == "python":
                        texts = {**task.workspace.files, **dict(task.reference)}
                        for path, text in texts.items():
                            if path.endswith(".py"):
                                found[f"{name}/{task.id}/{path}"] = text
        except DataError as error:
            missing.append(f"{name}: {error}")
    humaneval = (named_path(DATA_VARIABLE) or Path()) / HUMANEVAL
    if humaneval.is_file():
        with gzip.open(humaneval, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                found[row["task_id"]] = row["prompt"] + row["canonical_solution"]
    else:
        missing.append(f"HumanEval: {humaneval} is missing")
    return found, missing
