"""Every loader of files that a user may have, write, edit, or get half of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hrmgym import listing
from hrmgym.envs.benchmarks import katas
from hrmgym.envs.benchmarks.jsonl import read_tasks
from hrmgym.envs.benchmarks.katas import read_kata
from hrmgym.experiments import loader, train
from hrmgym.experiments.card import model_card
from hrmgym.experiments.evaluate.tables import comparison_table
from hrmgym.experiments.run import RunFolder, write_json
from hrmgym.experiments.sweep import SweptRun
from hrmgym.experiments.sweep_table import sweep_table
from hrmgym.tests.fuzzing import mutations
from hrmgym.tests.fuzzing.fuzzing import Loader

ROOT = Path(katas.__file__).parents[2]

_SWEEP = """\
extends: base.yaml
name: swept
seed: 3
benchmark: {name: katas, tasks: [a, b]}
sandbox: {type: local}
policy: {kind: hrm, size: tiny}
trainer:
  kind: ppo
  gamma: 0.9  # a comment
  learning_rate: 1e-4
  warm_start:
    samples: 1000
score: {k: [1], workers: 2}
sweep:
  trainer.gamma: [0.9, 0.99]
  seed: &seeds [0, 1]
  policy:
    size: [tiny]
"""
_SCORE = {"value": 0.5, "low": 0.1, "high": 0.9, "confidence": 0.95, "method": "wilson"}
#: As `Report.to_dict` has it; a test of `experiments` compares what is read with what is written.
REPORT: dict[str, Any] = {
    "benchmark": {"name": "katas", "version": "1", "split": "test", "tasks": 2},
    "complete": True,
    "tasks_played": 2,
    "seed": 0,
    "mode": "episodes",
    "budget": {"attempts": 1, "steps": 8, "test_runs": 8, "seconds": None},
    "deterministic": True,
    "environment": {"interface": "edit", "max_steps": 8, "max_test_runs": None},
    "sandbox": {"type": "local"},
    "policy": {"kind": "hrm"},
    "hashes": {"checkpoint": "0123456789abcdef", "experiment": "1", "tasks": "2"},
    "official": {"metric": "solved", **_SCORE},
    "solved_within": {"1": _SCORE, "10": None},
    "scores": {"pass@1": _SCORE, "pass@2": None},
    "failures": {"count": 0, "codes": {}, "tasks": [], "all_failed": {}, "all_solved": {}},
    "tests_apart": {"not_apart": {}},
    "mean": {"tests_passed": 0.5, "steps": 3.0, "test_runs": 2.0, "reward": 0.1},
    "by_tag": {"hand": {"tasks": 2, "pass@1": _SCORE}},
    "outcomes": [],
}
_OVERRIDES = (
    b"trainer.gamma=0.9\nscore.k=[1, 1]\nsandbox=docker\nsweep.seed=[1, 2]\ntrainer={kind: ppo}"
)


def _experiment(folder: Path) -> Path:
    path = folder / "swept.yaml"
    path.write_text(_SWEEP, encoding="utf-8")
    return path


def _overrides(folder: Path) -> Path:
    path = folder / "overrides"
    path.write_bytes(_OVERRIDES)
    return path


def _expand_overrides(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "surrogateescape")  # as the command line has it
    return loader.expand("demo", [line for line in text.split("\n") if line])


def _tasks(folder: Path) -> Path:
    path = folder / "tasks.jsonl"
    path.write_bytes((ROOT / "data" / "example-tasks.jsonl").read_bytes())
    return path


def _kata(folder: Path) -> Path:
    path = folder / "add_days.yaml"
    program = next(iter(sorted((Path(katas.__file__).parent / "programs").glob("*.yaml"))))
    path = folder / program.name
    path.write_bytes(program.read_bytes())
    return path


def _run(folder: Path) -> RunFolder:
    """A run folder whose files are the same wherever and whenever it is made."""
    demo, path = loader.load("demo"), folder / "run"
    (path / "scores").mkdir(parents=True)
    (path / "config.yaml").write_text(loader.resolved(demo), encoding="utf-8")
    facts = {
        "name": demo.name,
        "status": "running",
        "end": None,
        "seed": demo.seed,
        "start": "2026-01-01T00:00:00+0000",
        "process": {"pid": 2**22 + 1, "host": "elsewhere", "started": "boot-1"},
        "command": ["hrmgym", "train", "demo"],
        "platform": "Linux",
        "cpu": "cpu",
        "cpu_count": 2,
        "git": None,
        "versions": {"hrmgym": "0.1.0", "torch": None},
    }
    write_json(path / "run.json", facts)
    for name in ("untrained", "trained"):
        write_json(path / "scores" / f"{name}.json", REPORT)
    return RunFolder(path)


def _run_json(folder: Path) -> Path:
    return _run(folder).path / "run.json"


def _read_run(path: Path) -> object:
    run = RunFolder(path.parent)
    run.note(threads=1)
    run.override(["seed=5"])  # legal whatever the file says
    return run.status, run.holder


def _list_runs(path: Path) -> object:
    return listing.runs(path.parents[1])


def _lock(folder: Path) -> Path:
    path = _run(folder).path / "lock"
    path.write_text('{"pid": 1, "host": "x", "since": "2026"}')
    return path


def _locked(path: Path) -> object:
    run = RunFolder(path.parent)
    found = run.status, run.holder
    with run.locked():
        return found


def _report(name: str) -> Callable[[Path], Path]:
    """One of the run folder's reports."""
    return lambda folder: _run(folder).scores / name


def _read_report(path: Path) -> object:
    run = RunFolder(path.parents[1])
    swept = SweptRun(run, 0, 1.0)
    found = listing.runs(run.path.parent), sweep_table([swept])
    reports = {"untrained": train.finished_report(run, "untrained", REPORT["hashes"]["checkpoint"])}
    if reports["untrained"] is None:
        return found
    return comparison_table(reports), model_card(run, reports)


def _config(folder: Path) -> Path:
    return _run(folder).path / "config.yaml"


TEXT: dict[str, Loader] = {
    "experiment": Loader(_experiment, mutations.yaml_file, loader.expand, names="swept.yaml"),
    "overrides": Loader(_overrides, mutations.bytes_of, _expand_overrides, "override", kinds=False),
    "tasks": Loader(_tasks, mutations.json_lines, read_tasks),
    "kata": Loader(_kata, mutations.yaml_file, read_kata),
    "run.json": Loader(_run_json, mutations.json_file, _read_run),
    "runs": Loader(_run_json, mutations.json_file, _list_runs),
    "lock": Loader(_lock, mutations.json_file, _locked),
    "report": Loader(_report("untrained.json"), mutations.json_file, _read_report),
    "trained": Loader(_report("trained.json"), mutations.json_file, _read_report),
    "config.yaml": Loader(_config, mutations.yaml_file, _read_run),
}
