"""The best checkpoint of a run, by its own evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from hrmgym.errors import CheckpointError
from hrmgym.jsonfile import read_object

#: The checkpoint folder, beside `latest`.
BEST = "best"


class Best:
    """Keeps the checkpoint whose evaluation was the best, also over resumes.

    Args:
        folder: Of the checkpoints.
        names: What an evaluation is judged by, the first first; more is better.
        save: Writes a checkpoint of that name, with numbers for its `extra`.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        save: Callable[[str, Mapping[str, float]], object],
    ) -> None:
        self._path, self._names, self._save = folder / BEST / "config.json", names, save

    def offer(self, metrics: Mapping[str, float]) -> bool:
        """Keeps the present weights if they are better than all before; says whether they are.

        An evaluation that lacks the first of the names judges nothing.
        """
        if self._names[0] not in metrics:
            return False
        now = {f"best_{name}": float(metrics.get(name, -math.inf)) for name in self._names}
        now = {name: value for name, value in now.items() if math.isfinite(value)}
        if self._rank(now) <= self._rank(self._kept()):
            return False
        self._save(BEST, now)
        return True

    def _rank(self, values: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(values.get(f"best_{name}", -math.inf) for name in self._names)

    def _kept(self) -> Mapping[str, float]:
        try:
            extra = read_object(self._path, CheckpointError)["extra"]
            if not isinstance(extra, dict):
                return {}
            return {name: float(extra[name]) for name in extra if name.startswith("best_")}
        except (CheckpointError, KeyError, ValueError, TypeError, OverflowError):
            return {}  # there is none yet, or it is broken: any other is better
