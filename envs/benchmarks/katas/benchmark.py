"""The `katas` benchmark: small embedded programs with hand-made and operator-made bugs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.benchmarks.katas import Case, Kata, load_katas
from hrmgym.envs.benchmarks.katas.bugs import bugs_of
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.task import CallCase, CallTests, Limits, Task, Workspace

_LIMITS = Limits(cpu_s=0.5, wall_s=5.0, memory_mb=256, processes=8, output_kb=16, file_mb=8)


class Katas(Benchmark):
    """Bugs in 44 small programs, split by program, so no test program is ever trained on."""

    name = "katas"
    version = "1"
    splits = ("train", "valid", "test")

    def tasks(self, split: str) -> Sequence[Task]:
        """One task per bug, ordered by program."""
        return self._by_split[self.check_split(split)]

    @cached_property
    def _by_split(self) -> dict[str, tuple[Task, ...]]:
        found: dict[str, list[Task]] = {split: [] for split in self.splits}
        for kata in load_katas():
            for bug in bugs_of(kata):
                found[kata.split].append(
                    _task(kata, bug.id, bug.operator, apply(kata.code, bug.edit))
                )
        return {split: tuple(tasks) for split, tasks in found.items()}


def call_tests(kata: Kata, cases: Sequence[Case], prefix: str) -> CallTests:
    """Call tests from a kata's cases."""
    return CallTests(
        path=f"{kata.name}.py",
        function=kata.name,
        cases=tuple(
            CallCase(id=f"{prefix}-{number}", args=tuple(case.args), expected=case.expected)
            for number, case in enumerate(cases, start=1)
        ),
    )


def _task(kata: Kata, task_id: str, operator: str, buggy: str) -> Task:
    path = f"{kata.name}.py"
    return Task(
        id=task_id,
        benchmark=Katas.name,
        language="python",
        split=kata.split,
        prompt=kata.prompt,
        workspace=Workspace(files={path: buggy}),
        editable=(path,),
        visible_tests=call_tests(kata, kata.visible, "visible"),
        hidden_tests=call_tests(kata, kata.hidden, "hidden"),
        limits=_LIMITS,
        reference={path: kata.code},
        source=f"hrmgym katas v{Katas.version}",
        licence="MIT",
        tags=(operator,),
    )
