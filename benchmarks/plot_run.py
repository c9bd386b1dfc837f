"""Draws a run's curves as a PNG, from its TensorBoard events and its scores.

python benchmarks/plot_run.py runs/demo-20261123-120000-1 docs/training-curve.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
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
        "PPO: katas, train split",
        "environment steps",
        {
            "rollout/success_rate": "solved (hidden tests), last 100 episodes",
            "env/tests_passed": "visible tests that pass",
        },
    ),
)


def main() -> None:
    """Reads the run folder and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("picture", type=Path, help="PNG to write")
    options = parser.parse_args()
    events = EventAccumulator(str(options.run / "tensorboard"))
    events.Reload()
    logged = set(events.Tags()["scalars"])
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for axis, (title, unit, tags) in zip(axes, PANELS, strict=False):
        for tag, label in tags.items():
            if tag in logged:
                points = events.Scalars(tag)
                axis.plot([p.step for p in points], [p.value for p in points], label=label)
        axis.set(title=title, xlabel=unit, ylim=(0, None))
        axis.legend(fontsize=7)
        axis.grid(alpha=0.3)
    stages, values, below, above = [], [], [], []
    for stage in ("untrained", "warm-start", "trained"):
        path = options.run / "scores" / f"{stage}.json"
        if path.is_file():
            score = json.loads(path.read_text())["scores"]["pass@1"]
            stages.append(stage)
            values.append(score["value"])
            below.append(max(0.0, score["value"] - score["low"]))
            above.append(max(0.0, score["high"] - score["value"]))
    axes[2].bar(stages, values, yerr=[below, above], capsize=6, color="tab:green", alpha=0.7)
    axes[2].set(title="solved, test programs (95 % interval)", ylim=(0, None))
    axes[2].grid(alpha=0.3, axis="y")
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
