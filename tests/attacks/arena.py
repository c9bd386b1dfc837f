"""Where attacks take place: the environment, and the unprotected machine."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import (
    CallCase,
    CallTests,
    CommandTests,
    Limits,
    Outcome,
    PytestTests,
    StdioCase,
    StdioTests,
    Task,
    TestSpec,
    Workspace,
)
from hrmgym.tests.attacks.attack import (
    BUGGY,
    HIDDEN,
    KINDS,
    REPAIRED,
    STYLES,
    VISIBLE,
    Attack,
    Kind,
    command_text,
    pytest_files,
)

#: What the runs of attacks may use. The time is short: most that need it all are endless.
LIMITS = Limits(cpu_s=1.0, wall_s=4.0, memory_mb=256, processes=32, output_kb=64, file_mb=8)
_HERE = Path(__file__).parent
_PYTEST = ("_pytest", "py", "pytest", "pluggy", "iniconfig", "packaging", "pygments")


def _tests(kind: Kind, phase: str, numbers: Sequence[int], styles: Sequence[str]) -> TestSpec:
    if kind == "calls":
        cases = tuple(CallCase(id=f"double-{x}", args=(x,), expected=2 * x) for x in numbers)
        return CallTests(path="solution.py", function="double", cases=cases)
    if kind == "stdio":
        runs = tuple(StdioCase(id=f"{x}", stdin=f"{x}\n", expected=f"{2 * x}\n") for x in numbers)
        return StdioTests(path="solution.py", cases=runs)
    if kind == "command":
        name = f"check_{phase}.sh"
        return CommandTests(command=("sh", name), files={name: command_text(numbers)})
    files, ids = pytest_files(styles, f"tests/test_{phase}.py", numbers)
    return PytestTests(files=files, ids=ids)


def task_of(name: str, kind: Kind, files: Iterable[str], styles: Sequence[str]) -> Task:
    """The task; `files` are the paths, besides the program, that the agent may change."""
    return Task(
        id=name,
        benchmark="attacks",
        language="python",
        split="test",
        prompt="Repair double.",
        workspace=Workspace(files={"solution.py": BUGGY}),
        editable=tuple(dict.fromkeys(["solution.py", *files])),
        visible_tests=_tests(kind, "visible", VISIBLE, styles),
        hidden_tests=_tests(kind, "hidden", HIDDEN, styles),
        limits=LIMITS,
        reference={"solution.py": REPAIRED},
    )


class Targets(Benchmark):
    """A task for each attack, and an honest one for each kind of tests."""

    name = "attacks"
    version = "1"
    splits = ("test",)

    def __init__(self, attacks: Sequence[Attack]) -> None:
        super().__init__()
        self.graded: Outcome | None = None
        """What the last grade said."""
        honest = [task_of(f"honest-{kind}", kind, (), STYLES) for kind in KINDS]
        self._tasks = [*honest, *(task_of(a.name, a.kind, a.files, a.styles) for a in attacks)]

    def tasks(self, split: str) -> Sequence[Task]:
        """All."""
        return self._tasks

    def grade(self, task: Task, files: Mapping[str, str], sandbox: Any) -> Outcome:
        """As every benchmark does; and remembered."""
        self.graded = super().grade(task, files, sandbox)
        return self.graded


@dataclass(frozen=True)
class Earned:
    """What an episode came to."""

    solved: bool
    rewards: Mapping[str, float]
    """Sum of each term over the episode."""
    visible: Outcome | None
    hidden: Outcome | None
    output: str
    """What the commands printed."""


class Arena:
    """One environment, through which all attacks go."""

    def __init__(self, attacks: Sequence[Attack]) -> None:
        self.targets = Targets(attacks)
        self.env = SoftwareEnv(
            self.targets, interface="shell", auto_test=False, auto_submit=False, max_steps=32
        )
        self._count = itertools.count()

    def attack(self, attack: Attack) -> Earned:
        """Play the attack's episode: write its files, run its commands, test, submit."""
        commands = [*attack.commands, *["test"] * (1 + attack.rounds), "submit"]
        return self._play(attack.name, attack.files, commands)

    def honest(self, kind: Kind) -> Earned:
        """An honest repair, of a text that no run has seen before."""
        text = f"{REPAIRED}# {next(self._count)}\n"
        return self._play(f"honest-{kind}", {"solution.py": text}, ["test", "submit"])

    def _play(self, name: str, files: Mapping[str, str], commands: Sequence[str]) -> Earned:
        self.env.reset(seed=0, options={"task": name})
        self.targets.graded = None
        writing = [_writing(path, text) for path, text in files.items()]
        totals: dict[str, float] = {}
        output, info = "", {}
        for command in [*writing, *commands]:
            *_, info = self.env.step(command)
            output += self.env.state.output
            for term, value in info["rewards"].items():
                totals[term] = totals.get(term, 0.0) + value
        return Earned(
            info["is_success"], totals, self.env.state.outcome, self.targets.graded, output
        )

    def close(self) -> None:
        """End it."""
        self.env.close()


def _writing(path: str, text: str) -> str:
    folder = shlex.quote(path.rpartition("/")[0] or ".")
    return f"mkdir -p {folder}; printf %s {shlex.quote(text)} > {shlex.quote(path)}"


# --- the unprotected machine ---------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What became of an attack there."""

    solved: bool
    harm: frozenset[str]

    @property
    def won(self) -> frozenset[str]:
        """All that it did."""
        return self.harm | ({"reward"} if self.solved else set())


def run_unprotected(attacks: Sequence[Attack]) -> dict[str, Result]:
    """Let every attack loose, each on a machine of its own; name -> result.

    Raises:
        RuntimeError: This machine cannot make such machines.
    """
    code = f"import sys; sys.path.insert(0, {str(_HERE)!r}); import machine; machine.main()"
    python = os.path.realpath(sys.executable)
    done = subprocess.run(
        [python, "-P", "-s", "-S", "-B", "-c", code, json.dumps(_packages())],
        input=json.dumps([_job(attack) for attack in attacks]),
        capture_output=True,
        text=True,
        timeout=60 + 10 * len(attacks),
        start_new_session=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    results = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        results[said["name"]] = Result(said["solved"], frozenset(said["harm"]))
    return results


def _job(attack: Attack) -> dict[str, Any]:
    job: dict[str, Any] = {
        "name": attack.name,
        "kind": attack.kind,
        "files": dict(attack.files),
        "commands": list(attack.commands),
        "base": {"solution.py": BUGGY},
        "reads": attack.reads,
        "session": attack.session,
        "rounds": attack.rounds,
        "wall_s": attack.wall_s,
        "names": [],
    }
    for phase, numbers in (("visible", VISIBLE), ("hidden", HIDDEN)):
        if attack.kind in ("calls", "stdio"):
            job[phase] = [(x, 2 * x) for x in numbers]
            continue
        tests = _tests(attack.kind, phase, numbers, attack.styles)
        assert isinstance(tests, CommandTests | PytestTests)
        job[phase] = dict(tests.files)
        job["names"] = tests.test_ids
    return job


def _packages() -> dict[str, str]:
    """Name -> place of what pytest needs."""
    found = {}
    for name in _PYTEST:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(os.path.realpath(spec.origin))
            place = origin.parent if spec.submodule_search_locations else origin
            found[place.name] = str(place)
    return found
