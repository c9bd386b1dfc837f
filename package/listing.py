"""What `hrmgym tasks` prints. Plain text, so that it can be piped."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence

from hrmgym.envs.benchmark import Benchmark, catalogue, find_task, make_benchmark
from hrmgym.envs.task import Task
from hrmgym.errors import DataError


def benchmarks() -> None:
    """One line for each benchmark of the catalogue."""
    rows = [("NAME", "ENVIRONMENT", "SPLITS", "ABOUT")]
    for entry in catalogue().values():
        module, _, name = entry.entry_point.partition(":")
        cls = getattr(importlib.import_module(module), name)
        about = (cls.__doc__ or "").strip().partition("\n")[0]
        rows.append((entry.name, entry.env_id, ", ".join(cls.splits), about))
    print_columns(rows)


def tasks(name: str, path: str | None, split: str | None) -> None:
    """One line for each task."""
    benchmark = make_benchmark(name, path)
    rows = [("ID", "SPLIT", "LANGUAGE", "TESTS", "TAGS")]
    for one_split in _splits(benchmark, split):
        for task in benchmark.tasks(one_split):
            tests = len(task.visible_tests.test_ids) + len(task.hidden_tests.test_ids)
            rows.append((task.id, task.split, task.language, str(tests), ", ".join(task.tags)))
    print_columns(rows)


def task(name: str, path: str | None, split: str | None, task_id: str, *, reference: bool) -> None:
    """A task's prompt and the files that an agent may change, and the known solution as a diff."""
    benchmark = make_benchmark(name, path)
    found = find_task(benchmark, task_id, _splits(benchmark, split))
    print(f"{found.benchmark} {found.id} ({found.language}, {found.split})")
    for label, value in (("source", found.source), ("licence", found.licence)):
        if value:
            print(f"{label}: {value}")
    print(f"\n{found.prompt.rstrip()}")
    if reference:
        print(f"\n{_diff(found)}", end="")
        return
    for file in found.editable:
        print(f"\n--- {file}\n{found.workspace.files[file].rstrip()}")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in aligned columns; the last column is as wide as it likes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _splits(benchmark: Benchmark, split: str | None) -> Sequence[str]:
    return benchmark.splits if split is None else (benchmark.check_split(split),)


def _diff(task: Task) -> str:
    if not task.reference:
        raise DataError(f"task {task.id!r} has no known solution")
    parts: list[str] = []
    for path, solution in task.reference.items():
        parts += difflib.unified_diff(
            task.workspace.files.get(path, "").splitlines(keepends=True),
            solution.splitlines(keepends=True),
            f"a/{path}",
            f"b/{path}",
        )
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts)
