"""Examples of what a policy does in an evaluation, as text for TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium
import torch
from stable_baselines3.common.logger import Logger

from hrmgym.envs.changes import diff
from hrmgym.envs.interfaces.base import RefusedError
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.showing import showable
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.workspace import Files
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.distribution import edit_distribution
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.fixes import Fix

#: Examples of an evaluation.
NUMBER = 3
#: Most characters of one change.
_MOST = 4000


class KeepExamples(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the first episodes since `take` as text."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        base = env.unwrapped
        assert isinstance(base, SoftwareEnv)
        self._base = base
        self._kept: list[str] = []
        self._start = Files.of({})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As the environment's own."""
        found = self.env.reset(seed=seed, options=options)
        self._start = self._base.state.files
        return found

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's own."""
        found = self.env.step(action)
        info = found[4]
        if (found[2] or found[3]) and len(self._kept) < NUMBER and not info["failure"]:
            state = self._base.state
            verdict = "solved" if info["is_success"] else "not solved"
            title = f"{state.task.id}: {verdict}, {info['steps']} steps"
            self._kept.append(example(title, diff(self._start, state.files)))
        return found

    def take(self) -> list[str]:
        """What is kept; the next episodes are kept anew."""
        kept, self._kept = self._kept, []
        return kept


def example(title: str, change: str) -> str:
    """One example in Markdown.

    Args:
        title: One line.
        change: A unified diff; empty where there is no change.
    """
    change = change or "(no change)"
    if len(change) > _MOST:
        change = f"{change[:_MOST]}\n[{len(change) - _MOST:,} characters left out]"
    fence = "`" * max(3, 1 + max((len(one) for one in re.findall("`+", change)), default=0))
    return f"{showable(title)}\n\n{fence}diff\n{change}\n{fence}"


@torch.no_grad()
def shown_fixes(
    model: EditModel, fixes: Sequence[Fix], interface: EditInterface, device: str
) -> list[str]:
    """The network's best proposal on each of some held-out bugs, in Markdown.

    Args:
        model: In evaluation mode.
        fixes: The bugs.
        interface: Reads the proposals.
        device: Where the network is.
    """
    if not fixes:
        return []
    batch = {k: v.to(device) for k, v in collate([fix.sample for fix in fixes]).items()}
    del batch["action"]
    edits = edit_distribution(model, model.encode(batch), batch)
    shown = []
    for fix, best in zip(fixes, edits.top_k(1, 64, distinct=True), strict=True):
        path = fix.state.cursor.path
        before = after = fix.state.files[path]
        tool = "no proposal"
        if best:
            try:
                call = interface.decode(best[0][0].numpy(), fix.state)
                tool = call.tool
                if tool == "edit":
                    after = before[: call.start] + call.text + before[call.end :]
            except RefusedError:
                tool = "refused"
        verdict = "the known repair" if after == fix.fixed else "not the known repair"
        title = f"{fix.name} ({fix.sample.operator}): {tool}, {verdict}"
        shown.append(example(title, diff(Files.of({path: before}), Files.of({path: after}))))
    return shown


def log_examples(logger: Logger, examples: Sequence[str]) -> None:
    """Records examples; the next dump writes them."""
    for number, text in enumerate(examples[:NUMBER], start=1):
        logger.record(f"examples/repair_{number}", text, exclude=("stdout", "log", "json", "csv"))
