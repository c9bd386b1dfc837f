"""The model card of a checkpoint: data, command, versions, scores with their intervals."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrmgym import yaml12
from hrmgym.envs.benchmark import make_benchmark
from hrmgym.experiments.loader import resolved
from hrmgym.experiments.run import RunFolder
from hrmgym.experiments.schema import Experiment
from hrmgym.trainers.supervised_config import LearningConfig


def model_card(run: RunFolder, reports: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Text of the card.

    Args:
        run: The run that trains the model.
        reports: Stage -> report, the checkpoint's last; without them the card says that there is
            no score yet.
    """
    experiment, facts = run.experiment, run.facts
    versions = ", ".join(f"{name} {text}" for name, text in facts["versions"].items() if text)
    parts = [
        f"# {experiment.name}",
        "A hierarchical reasoning model that repairs programs through hrmgym's `edit` interface.",
        "## Data",
        *_data(run),
        "## Training",
        f"Command: `{shlex.join(facts['command'])}`",
        f"Versions: {versions}",
        f"Machine: {facts['platform']}, {facts['cpu']}",
        f"```yaml\n{resolved(experiment)}```",
        "## Scores",
        _scores(reports or {}),
        "## Use",
        f"```yaml\n{_use(experiment)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _use(experiment: Experiment) -> str:
    """The policy block of an experiment that uses the checkpoint."""
    trainer = experiment.trainer
    block = {"kind": "hrm"} if trainer is None else trainer.scored(Path("<this folder>"))
    return yaml12.dump({"policy": block})


def _data(run: RunFolder) -> list[str]:
    config = run.experiment.benchmark
    benchmark = make_benchmark(config.name, config.path)
    tasks = benchmark.tasks(config.train_split)
    licences = ", ".join(sorted({task.licence for task in tasks if task.licence})) or "not stated"
    trainer = run.experiment.trainer
    lines = [
        f"Tasks: {benchmark.name} {benchmark.version}, split `{config.train_split}`, "
        f"{len(tasks)} tasks; licence: {licences}."
    ]
    learning = None if trainer is None else trainer.supervised
    if learning is not None:
        title = "Pretraining" if isinstance(trainer, LearningConfig) else "Warm start"
        text = (
            f"{title}: up to {learning.samples} bugs made in functions of Python's standard "
            "library (PSF licence)"
        )
        if getattr(learning, "real_share", 0) > 0:
            text += (
                ", a share of `real_share` real edits between releases of permissively licensed "
                "packages (`trainers/data/real-edits-licences.txt`)"
            )
        if getattr(learning, "benchmark_share", 0) > 0:
            text += ", and a share of `benchmark_share` from the solutions of the tasks below"
        lines.insert(0, text + ".")
    return lines


def _scores(reports: Mapping[str, Mapping[str, Any]]) -> str:
    if not reports:
        return "Not scored yet."
    after = list(reports.values())[-1]
    benchmark = after["benchmark"]
    rows = [
        f"{benchmark['name']} {benchmark['version']}, split `{benchmark['split']}`, "
        f"{benchmark['tasks']} tasks, {after['environment']['max_steps']} steps and "
        f"{after['environment']['max_test_runs']} test runs each, seed {after['seed']}. "
        f"Weights: `{after['hashes']['checkpoint']}`.",
        "",
        "| | value | interval | level |",
        "|---|---|---|---|",
    ]
    for title, report in reports.items():
        for name, score in report["scores"].items():
            if score is None:
                continue
            rows.append(
                f"| {name}, {title} | {score['value']:.3f} | {score['low']:.3f} to "
                f"{score['high']:.3f} ({score['method']}) | {score['confidence']:g} |"
            )
    return "\n".join(rows)
