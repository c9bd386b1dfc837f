"""What `hrmgym tasks` and `runs` print. Plain text, so that it can be piped."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hrmgym.config import is_file, is_folder
from hrmgym.envs.benchmark import Benchmark, catalogue, find_task, make_benchmark
from hrmgym.envs.changes import diff
from hrmgym.envs.editable import editable_in
from hrmgym.envs.showing import showable
from hrmgym.errors import DataError, UserError
from hrmgym.experiments.run import RunFolder
from hrmgym.jsonfile import read_object


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
    _say(f"{found.benchmark} {found.id} ({found.language}, {found.split})")
    for label, value in (("source", found.source), ("licence", found.licence)):
        if value:
            _say(f"{label}: {value}")
    _say(f"\n{found.prompt.rstrip()}")
    start = found.workspace.start
    if reference:
        if not found.reference:
            raise DataError(f"task {found.id!r} has no known solution")
        _say(f"\n{diff(start, found.solution())}")
        return
    for file in editable_in(found.editable, start):
        text = start[file].rstrip() if file in start else "(does not exist yet)"
        _say(f"\n--- {file}\n{text}")


def runs(folder: Path) -> None:
    """One line for each run folder in a folder, the last to start first.

    Raises:
        DataError: There is no such folder.
    """
    if not is_folder(folder):
        raise DataError(f"{folder}: no such folder of runs")
    found: list[tuple[str, tuple[str, ...]]] = []
    for path in sorted(folder.iterdir()):
        if is_file(path / "run.json"):
            found.append(_run_row(path))
    found.sort(reverse=True)
    print_columns([("RUN", "STATUS", "STARTED", "SCORES"), *(row for _, row in found)])


def _run_row(path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        run = RunFolder(path)
        started = str(run.facts["start"])
        return started, (path.name, run.status, started, _scores(run))
    except (UserError, OSError) as error:
        reason = " ".join(str(error).split())
        return "", (path.name, "broken", "", reason)


def _scores(run: RunFolder) -> str:
    for name in ("trained", "score"):
        with suppress(DataError, ValueError, KeyError, TypeError, AttributeError):
            scores = read_object(run.scores / f"{name}.json", DataError)["scores"].items()
            return ", ".join(f"{key} {one['value']:.3f}" for key, one in scores if one)
    return ""


def _say(text: str) -> None:
    print(showable(text))


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in aligned columns; the last column is as wide as it likes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _say("  ".join(cells).rstrip())


def _splits(benchmark: Benchmark, split: str | None) -> Sequence[str]:
    return benchmark.splits if split is None else (benchmark.check_split(split),)
