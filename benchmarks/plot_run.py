"""Draws runs' curves as a PNG, from their TensorBoard events and scores; empty panels are left out.

python benchmarks/plot_run.py runs/demo-20261123-120000-1 docs/training-curve.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

#: (title, x axis, tags with their labels)
PANELS = (
    (
        "supervised: bugs and their repairs",
        "samples",
        {
            "learn/exact": "exact repair at 1, training batches",
            "heldout_made/exact_at_1": "exact repair at 1, held-out made bugs",
            "heldout_made/exact_at_32": "at 32, held-out made bugs",
            "heldout_real/exact_at_32": "at 32, held-out real edits",
        },
    ),
    (
        "supervised: loss (nats a target)",
        "samples",
        {"learn/nll": "whole edit", "learn/nll_start": "where it starts"},
    ),
    (
        "PPO: katas, train split",
        "environment steps",
        {
            "rollout/success_rate": "solved (hidden tests), last 100 episodes",
            "env/tests_passed": "visible tests that pass",
        },
    ),
)


#: Fewer tasks than this say nothing.
LEAST_TASKS = 10


def draw_curves(axis: Axes, tags: dict[str, str], logged: dict[str, EventAccumulator]) -> None:
    """Draws what there is of some tags, for every run."""
    for tag, text in tags.items():
        for name, events in logged.items():
            if tag in events.Tags()["scalars"]:
                points = events.Scalars(tag)
                label = text if len(logged) == 1 else f"{name}: {text}"
                steps, values = [p.step for p in points], [p.value for p in points]
                axis.plot(steps, values, ".-", ms=2, lw=1, label=label)
    axis.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.18))


def scores_of(runs: dict[str, Path]) -> list[tuple[str, dict[str, float]]]:
    """The scores of every run and stage that are of enough tasks, with their names."""
    found = []
    for name, run in runs.items():
        for stage in ("untrained", "warm-start", "trained"):
            path = run / "scores" / f"{stage}.json"
            report = json.loads(path.read_text()) if path.is_file() else {}
            score = report.get("scores", {}).get("pass@1")
            if score and report["tasks_played"] >= LEAST_TASKS:
                found.append((stage if len(runs) == 1 else f"{name}: {stage}", score))
    return found


def draw_scores(axis: Axes, scores: list[tuple[str, dict[str, float]]]) -> None:
    """Draws scores with their intervals."""
    values = [score["value"] for _, score in scores]
    reach = [
        [max(0.0, score["value"] - score["low"]) for _, score in scores],
        [max(0.0, score["high"] - score["value"]) for _, score in scores],
    ]
    names = [name for name, _ in scores]
    axis.bar(names, values, yerr=reach, capsize=6, color="tab:green", alpha=0.7)


def main() -> None:
    """Reads the run folders and writes the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, nargs="+", help="run folder; NAME=FOLDER names it")
    parser.add_argument("picture", type=Path, help="PNG to write")
    options = parser.parse_args()
    runs: dict[str, Path] = {}
    for given in map(str, options.run):
        name, _, folder = given.rpartition("=")
        runs[name or Path(folder).name] = Path(folder)
    logged = {name: EventAccumulator(str(run / "tensorboard")) for name, run in runs.items()}
    known: set[str] = set()
    for events in logged.values():
        known.update(events.Reload().Tags()["scalars"])
    panels = [panel for panel in PANELS if known.intersection(panel[2])]
    scores = scores_of(runs)
    count = len(panels) + bool(scores)
    figure, axes = plt.subplots(
        1, count, figsize=(4.2 * count, 4), layout="constrained", squeeze=False
    )
    for axis, (title, unit, tags) in zip(axes[0], panels, strict=False):
        draw_curves(axis, tags, logged)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(unit)
    if scores:
        draw_scores(axes[0, -1], scores)
        axes[0, -1].set_title("solved, test programs (95 % interval)", fontsize=10)
    for axis in axes[0]:
        axis.set_ylim(0, None)
        axis.grid(alpha=0.3)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
