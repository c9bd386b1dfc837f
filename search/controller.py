"""SWE-Search over legal edits: a tree of repairs of one program, each with a belief of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hrmgym.envs.outcome_file import TaskOutcomes
from hrmgym.envs.state import State
from hrmgym.policies.ranked import RankedPolicy
from hrmgym.search.repair import Move, Position, RepairProblem
from hrmgym.search.settings import TreeSettings
from hrmgym.search.stages import TURN, Try
from hrmgym.search.tree import Tree

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv


class SWESearchController:
    """Searches for a repair, of one edit or more.

    Args:
        policy: Ranks the legal edits of each program; with `feedback`.
        settings: Of the tree; not the Gumbel rule, which needs to know how many tries there are.
        most_edits: Of one repair.
    """

    def __init__(
        self, policy: RankedPolicy, settings: TreeSettings | None = None, most_edits: int = 3
    ) -> None:
        assert policy.feedback, "beliefs learn from what edits change"
        self.policy, self.most_edits = policy, most_edits
        self.settings = settings or TreeSettings(transpositions=False)
        assert self.settings.rule != "gumbel", "it plans a number of simulations"

    def seed(self, seed: int) -> None:
        """Seeds the order of edits that are equally probable."""
        self.policy.seed(seed)

    def tries(
        self,
        env: SoftwareEnv,
        limits: Sequence[float],
        k: int,
        seed: int,
        outcomes: TaskOutcomes | None = None,
    ) -> Iterator[Try[State]]:
        """Searches from the state that an environment is in; it ends at the first success.

        Args:
            env: It stays where it is.
            limits: See `stages.limits_of`. Edits that the first one cuts off wait, and are tried
                again under the last one: every `TURN`th time, and at the end.
            k: Most test runs.
            seed: Of the tree.
            outcomes: See `RepairProblem`.

        Yields:
            Each try of an edit, and each run of the tests on a position that was gone on from.

        Raises:
            SandboxError: the sandbox failed, so a try has no verdict.
        """
        problem = RepairProblem(env, self.policy, limits, k, self.most_edits, outcomes)
        tree: Tree[Position, Move] = Tree(problem, Position(env.state), self.settings, seed)
        tree.plan(1)
        turn = 0
        while problem.left > 0:
            turn += 1
            if problem.cut and (tree.through or turn % TURN == 0):
                passes = problem.repeat()
            elif tree.through:
                return
            else:
                tree.simulate(1)
                passes = tree.proven is not None
            yield from problem.tried()
            if passes:
                return
