"""Is a solution correct, beside passing the tests? It is if it gives the reference's plain values
on new inputs.

Tests are few, and an edit may pass them all by luck. So a function is also called with inputs that
stand in no test. An input counts where the reference returns one and the same plain value twice, in
two processes; what a call does to its arguments does not count. This is a judge's work: it knows
hidden tests and the reference, so nothing that learns or chooses may be told what it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from hrmgym.envs.benchmark import find_task
from hrmgym.envs.outcome import Status
from hrmgym.envs.sandboxes.executor import TestRunner
from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.verdicts.hearing import Heard
from hrmgym.envs.task import NO_ENVIRONMENT, CallCase, CallTests, Limits, Task
from hrmgym.errors import SandboxError
from hrmgym.experiments.inputs.asking import Asking, asking

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv
    from hrmgym.envs.state import State

#: Seed of the inputs that scores use; nothing else draws with it.
SEED = 20_261_129
WANTED = 200
ENOUGH = 50
"""With fewer inputs that count, nothing is said."""

_BATCH = 25  # calls of one process
_CPU_S = 0.25  # of such a process, at least; an input that needs more on the reference is left out
_MOST_DRAWN = 1_000  # inputs, whatever comes of them
_DRAWN = 50  # inputs at a time
_BARREN = 2  # times without one that counts, before no more are tried
_PATIENT_CPU_S = 5.0  # of one call of the solution, before it is said not to come to an end
_MOST_CUT = 20  # inputs that the reference does not come to an end on, before no more are tried


@dataclass(frozen=True, slots=True)
class Correctness:
    """What is known of a solution beyond its tests."""

    valid: int
    """Inputs on which the reference returned the same plain value twice."""
    equal: bool | None
    """Whether the solution returned the same on all of them; None: not judged, for there are too
    few."""
    differs: str = ""
    """The first input on which it did not, and what came out; empty if there is none."""

    def numbers(self) -> dict[str, int]:
        """What a record keeps beside the verdict."""
        return {"inputs": self.valid} if self.valid else {}


#: Nobody asked.
UNASKED = Correctness(0, None)
#: What does not pass the tests is not correct.
UNSOLVED = Correctness(0, False)


def judge_state(env: SoftwareEnv, state: State) -> Correctness:
    """`judge_correct` of what a state of an environment would submit.

    Raises:
        SandboxError: The sandbox failed, so nothing is known.
    """
    task = find_task(env.benchmark, state.task.id)
    return judge_correct(task, state.candidate(), env.sandbox)


def judge_correct(
    task: Task, files: Mapping[str, str], sandbox: TestRunner, seed: int = SEED
) -> Correctness:
    """Compares a solution with the task's reference on inputs that stand in no test.

    Args:
        task: The whole task.
        files: The solution: path -> text of the whole workspace.
        sandbox: Where both are called.
        seed: Of the inputs.

    Raises:
        SandboxError: The sandbox failed, so nothing is known.
    """
    ask = asking(task, seed)
    if ask is None or not task.reference:
        return Correctness(0, None)
    if task.environment != NO_ENVIRONMENT:
        sandbox = sandbox.within(task.environment)
    limits = replace(task.limits, cpu_s=max(_CPU_S, task.limits.cpu_s))
    inputs, expected = known_answers(ask, task.solution(), sandbox, limits)
    if len(inputs) < ENOUGH:
        return Correctness(len(inputs), None)
    answers = _answers(ask, files, inputs, sandbox, limits, patient=True)
    for given, wanted, got in zip(inputs, expected, answers, strict=False):
        if not values.same(got, wanted, ask.tolerance):
            shown = ", ".join(values.show(one, 80) for one in given)
            what = f"{ask.function}({shown}) returned {values.show(got, 80)}"
            return Correctness(len(inputs), False, f"{what}, expected {values.show(wanted, 80)}")
    return Correctness(len(inputs), True)


def known_answers(
    ask: Asking, reference: Mapping[str, str], sandbox: TestRunner, limits: Limits
) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Up to `WANTED` of the inputs that count, and what the reference returns on each.

    Raises:
        SandboxError: The sandbox failed.
    """
    inputs: list[tuple[Any, ...]] = []
    expected: list[Any] = []
    drawn, barren = islice(ask.inputs, _MOST_DRAWN), 0
    while len(inputs) < WANTED and barren < _BARREN and (new := list(islice(drawn, _DRAWN))):
        before = len(inputs)
        first = list(_answers(ask, reference, new, sandbox, limits))
        kept = [(one, value) for one, value in zip(new, first, strict=False) if _is_plain(value)]
        again = _answers(ask, reference, [one for one, _ in kept], sandbox, limits)
        for (one, value), other in zip(kept, again, strict=False):
            if values.encode(value) == values.encode(other):
                inputs.append(one)
                expected.append(value)
        barren = barren + 1 if len(inputs) == before else 0
        if len(first) < len(new):  # too many calls do not end
            break
    return inputs[:WANTED], expected[:WANTED]


def _answers(
    ask: Asking,
    files: Mapping[str, str],
    inputs: Sequence[tuple[Any, ...]],
    sandbox: TestRunner,
    limits: Limits,
    *,
    patient: bool = False,
) -> Iterator[Any]:
    """What each call returned, in order; an `Opaque`, which equals nothing, where it did not.

    Args:
        ask: How to call.
        files: The program.
        inputs: Argument lists.
        sandbox: Where to call.
        limits: Of a process.
        patient: Whether a call that does not come to its end is made again, alone and with more
            time. Otherwise it stays without an answer, and after too many such calls all others do.
    """
    at, cut, whole = 0, 0, {**files, **ask.files}
    while at < len(inputs) and cut < _MOST_CUT:
        batch = inputs[at : at + _BATCH]
        answers = _called(ask, whole, batch, sandbox, limits)
        yield from answers
        at += len(answers)
        if len(answers) == len(batch):
            continue
        if patient:
            more = replace(limits, cpu_s=max(_PATIENT_CPU_S, limits.cpu_s))
            alone = _called(ask, whole, [inputs[at]], sandbox, more)
            yield alone[0] if alone else values.Opaque("no end")
        else:
            cut += 1
            yield values.Opaque("no end")
        at += 1


def _called(
    ask: Asking,
    files: Mapping[str, str],
    inputs: Sequence[tuple[Any, ...]],
    sandbox: TestRunner,
    limits: Limits,
) -> list[Any]:
    """The answers of a process, up to the first call that it did not come to the end of."""
    ears = [Heard() for _ in inputs]
    cases = tuple(
        CallCase(id=str(number), args=args, expected=ear, consume=ask.consume)
        for number, (args, ear) in enumerate(zip(inputs, ears, strict=True))
    )
    tests = CallTests(path=ask.path, function=ask.function, cases=cases)
    outcome = sandbox.run_tests(files, tests, limits, fresh=True)
    if outcome.failure is not None:
        raise SandboxError(outcome.message or "no verdict", outcome.failure)
    statuses = list(outcome.tests.values())
    ended = [at for at, one in enumerate(statuses) if one in (Status.PASSED, Status.FAILED)]
    if not ended and all(one is Status.ERROR for one in statuses):  # it cannot even be loaded
        return [ear.value for ear in ears]
    return [ear.value for ear in ears[: ended[-1] + 1]] if ended else []


def _is_plain(value: Any) -> bool:
    return values.is_plain(values.encode(value))
