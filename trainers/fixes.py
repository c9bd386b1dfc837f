"""Held-out repairs: at which of its proposals does a policy fix a bug exactly?

A proposal counts when the program after it is the fixed program, character for character, whatever
action made it so. Every proposal counts as one, those that are refused or make the same program
twice too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.interfaces.base import RefusedError
from hrmgym.envs.interfaces.edit import BUDGET, Action, EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallTests, PublicTask, Workspace
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.distribution import edit_distribution
from hrmgym.search.tries import looked_up
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.data.selector import kind_of

#: Numbers of proposals that exact fixes are counted at.
KS = (1, 8, 32, 128)


@dataclass(frozen=True, slots=True)
class Fix:
    """One held-out bug and its repair."""

    name: str
    group: str
    """What it was held out with: a package, or `stdlib`."""
    state: State
    """What the policy is shown."""
    sample: Sample
    """Its observation, and the repair as one action."""
    fixed: str
    """The whole file after the repair."""


def show_fix(
    name: str,
    group: str,
    operator: str,
    buggy: str,
    repair: Edit,
    prompt: str,
    interface: EditInterface,
    max_span: int,
    function: str = "program",
) -> Fix | None:
    """A bug as the policy is shown it; None where no window shows all that one action repairs.

    Args:
        name: Of the fix.
        group: What it is held out with.
        operator: What made the bug.
        buggy: The program.
        repair: The edit that makes it whole.
        prompt: What the canvas says above it.
        interface: Lays out the canvas.
        max_span: Most tokens that an action may replace.
        function: Name of the file, without its ending.
    """
    path = f"{function}.py"
    nothing = CallTests(path=path, function=function, cases=())
    task = PublicTask(
        id=name,
        benchmark="held-out",
        language="python",
        split="valid",
        prompt=prompt,
        workspace=Workspace(files={path: buggy}),
        editable=(path,),
        visible_tests=nothing,
    )
    state = State(
        task=task, files=task.workspace.start, cursor=Cursor(path), max_steps=8, max_test_runs=8
    )
    windows = int(interface.observe(state)["budget"][BUDGET.index("other_windows")]) + 1
    for window in range(windows):
        shown = replace(state, cursor=Cursor(path, window))
        action = interface.encode_edit(shown, repair.start, repair.end, repair.text)
        if action is not None and action[2] - action[1] <= max_span:
            sample = Sample(interface.observe(shown), action, operator, kind_of(repair))
            # As an episode begins whose only visible test fails.
            sample.observation["budget"][BUDGET.index("tests_total")] = 1
            return Fix(name, group, shown, sample, apply(buggy, repair))
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """How a policy did on one fix."""

    rank: int | None
    """Number of the first proposal that is the fix, from 1; None: not among those looked at."""
    location: int | None
    """Number of the first proposal that edits where the fix does, from 1."""
    proposals: int
    """Proposals looked at."""


#: Name -> tensor [B, ...], as the network takes it.
Batch = dict[str, torch.Tensor]


def look(fix: Fix, actions: Sequence[Action], interface: EditInterface) -> Found:
    """Where in a list of proposed actions the fix and its place first come."""
    path = fix.state.cursor.path
    text = fix.state.files[path]
    start = int(fix.sample.action[1])
    location = None
    for number, action in enumerate(actions, start=1):
        if location is None and int(action[0]) == 0 and int(action[1]) == start:
            location = number
        try:
            call = interface.decode(action, fix.state)
        except RefusedError:
            continue
        if call.tool != "edit":
            continue
        if text[: call.start] + call.text + text[call.end :] == fix.fixed:
            return Found(number, location or number, len(actions))
    return Found(None, location, len(actions))


@torch.no_grad()
def search_fixes(
    model: EditModel,
    fixes: Sequence[Fix],
    interface: EditInterface,
    *,
    ks: Sequence[int] = KS,
    device: str = "cpu",
    batch_size: int = 32,
    effort: int = 32,
    on_done: Callable[[int], None] = lambda done: None,
) -> list[Found]:
    """The network's best proposals on each fix, `max(ks)` at most.

    More proposals are asked for only while the fix is not among them. `effort` prefixes are
    expanded for each proposal, at most: see `EditDistribution.top_k`.
    """
    found: list[Found] = []
    for at in range(0, len(fixes), batch_size):
        chunk = fixes[at : at + batch_size]
        batch = {k: v.to(device) for k, v in collate([fix.sample for fix in chunk]).items()}
        del batch["action"]

        def ask(rows: Sequence[int], k: int, whole: Batch = batch) -> list[list[Action]]:
            part = {key: value[list(rows)] for key, value in whole.items()}
            edits = edit_distribution(model, model.encode(part), part)
            ranked = edits.top_k(k, max(64, effort * k), distinct=True)
            return [[action.numpy() for action, _ in best] for best in ranked]

        def judge(row: int, actions: Sequence[Action], of: Sequence[Fix] = chunk) -> Found:
            return look(of[row], actions, interface)

        found += looked_up(len(chunk), ks, ask, judge)
        on_done(len(found))
    return found


def rates(found: Sequence[Found], ks: Sequence[int] = KS) -> Mapping[str, float]:
    """`exact@k` for each k, `location@1`, and `mrr`, the mean of 1 / rank (0 where not found)."""
    if not found:
        return {}
    ranks = np.array([np.inf if one.rank is None else one.rank for one in found])
    places = np.array([np.inf if one.location is None else one.location for one in found])
    result = {f"exact@{k}": float((ranks <= k).mean()) for k in ks}
    result["location@1"] = float((places <= 1).mean())
    result["mrr"] = float((1 / ranks).mean())
    return result
