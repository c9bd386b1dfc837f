"""Propose, try, stop at the first that passes: the loop that every use of proposals shares.

Nothing here sees a hidden test: proposals are made from observations, and tried by
`SoftwareEnv.transition`, which runs visible tests alone. Whoever scores grades what passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from hrmgym.envs.interfaces.edit import BUDGET, tool_action
from hrmgym.envs.outcome_file import OutcomeFile, TaskOutcomes
from hrmgym.errors import ConfigError, SandboxError
from hrmgym.policies.ranked import Ranked, RankedPolicy
from hrmgym.search.belief import Belief
from hrmgym.search.changes import Before
from hrmgym.search.controller import SWESearchController
from hrmgym.search.screening import LearningScreening, Screening, look
from hrmgym.search.stages import Ran, Try, in_stages, limits_of
from hrmgym.search.steps import within

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.envs.state import State
    from hrmgym.policies.base import Action, Proposer

#: What `tries` takes.
AnyProposer: TypeAlias = "Proposer | RankedPolicy | SWESearchController"
#: A state and an action that is tried on it.
Tried = tuple["State", "Action"]


def tries_legal_edits(policy: AnyProposer) -> bool:
    """Whether a policy has legal edits tried, and makes no proposals of its own."""
    return isinstance(policy, RankedPolicy | SWESearchController)


def tries(
    policy: AnyProposer,
    env: SoftwareEnv,
    task: str,
    k: int,
    seed: int,
    outcomes: OutcomeFile | None = None,
) -> Iterator[Try[State]]:
    """Tries the k best edits of a task's program, each on the original, best first.

    With `sandbox.stages` those that are cut off are repeated after the others: see `in_stages`.
    The environment stays where the task begins.

    Args:
        policy: Makes the proposals; a `RankedPolicy` by putting the legal edits in order, a
            `SWESearchController` by searching.
        env: Where they are tried.
        task: The task's id.
        k: Most proposals, and most runs of the visible tests, repeats included, and the one that a
            policy needs which asks what each test runs.
        seed: Of the environment, and of a policy that draws.
        outcomes: Legal edits whose outcome it has are not run, and count as if they had been.

    Yields:
        Each try, with the state that it leads to.

    Raises:
        ConfigError: the environment does not run the tests by itself.
        SandboxError: the sandbox failed, so a try has no verdict.
    """
    if not env.auto_test:
        raise ConfigError("proposals are tried by the visible tests: they need env.auto_test: true")
    _, info = env.reset(seed=seed, options={"task": task})
    if info["failure"]:
        raise SandboxError(f"task {task!r} has no verdict", info["failure"])
    if hasattr(policy, "seed"):
        policy.seed(seed)
    limits = limits_of(env.sandbox_config.stages, env.state.task.limits.cpu_s)
    known = None if outcomes is None else outcomes.of(env)
    if isinstance(policy, SWESearchController):
        yield from policy.tries(env, limits, k, seed, known)
    elif isinstance(policy, RankedPolicy):
        ranked = policy.rank(env.state, partial(look, env, env.state, known))
        if policy.feedback:
            yield from _learning(env, ranked, limits, k, known)
            return
        run = Screening(env, ranked.edits[:k], limits[0], known)
        yield from in_stages(ranked.edits, run, limits, k, ranked.test_runs)
    else:
        yield from in_stages(best_edits(policy, env, k), partial(_run, env), limits, k)


def _learning(
    env: SoftwareEnv,
    ranked: Ranked,
    limits: Sequence[float],
    k: int,
    outcomes: TaskOutcomes | None,
) -> Iterator[Try[State]]:
    """Tries legal edits in an order that each outcome changes; see `tries`."""
    texts = {path: env.state.files[path] for path in ranked.spectra}
    belief = Belief(ranked.edits, ranked.log_probs, texts)
    before = {path: Before(coverage) for path, coverage in ranked.spectra.items()}
    run = LearningScreening(env, belief, before, limits[0], outcomes)
    edits = (ranked.edits[number] for number in belief.in_turn())
    yield from in_stages(edits, run, limits, k, ranked.test_runs)


def best_edits(policy: Proposer, env: SoftwareEnv, k: int) -> list[Tried]:
    """The k best proposals over all windows of the file, each with the state that it is for."""
    states = [env.state]
    observations = [env.interface.observe(env.state)]
    for _ in range(int(observations[0]["budget"][BUDGET.index("other_windows")])):
        if not states[-1].steps_left:
            break
        states.append(env.transition(states[-1], tool_action("next_window")))
        observations.append(env.interface.observe(states[-1]))
    found = [
        (one.log_prob, state, one.action)
        for state, proposals in zip(states, policy.propose_batch(observations, k), strict=True)
        for one in proposals.actions
    ]
    found.sort(key=lambda one: -one[0])  # stable: equal scores stay in the policy's order
    return [(state, action) for _, state, action in found[:k]]


def _run(env: SoftwareEnv, proposal: Tried, cpu_s: float, final: bool) -> Ran[State]:
    """Tries one proposal; its visible tests have `cpu_s`. Every run is of the final kind."""
    after = env.transition(*proposal, cpu_s=cpu_s)
    return within(after, cpu_s, after)


class _Ranked(Protocol):
    """What a look at an item's proposals has found."""

    @property
    def rank(self) -> int | None:
        """Number of the first that is right; None: none is."""
        ...


Looked = TypeVar("Looked", bound=_Ranked)


def looked_up(
    items: int,
    ks: Sequence[int],
    ask: Callable[[Sequence[int], int], Sequence[Sequence[Any]]],
    look: Callable[[int, Sequence[Any]], Looked],
) -> list[Looked]:
    """Looks for the right one among each item's proposals, and asks for more where there is none.

    Args:
        items: Number of items.
        ks: How many proposals to ask for; the next one only for items whose right one is missing.
        ask: Numbers of items and k -> the k best proposals of each.
        look: An item's number and its proposals -> what is found.
    """
    found: dict[int, Looked] = {}
    left = list(range(items))
    for k in sorted(ks):
        for number, proposals in zip(left, ask(left, k), strict=True):
            found[number] = look(number, proposals)
        left = [number for number in left if found[number].rank is None]
        if not left:
            break
    return [found[number] for number in range(items)]
