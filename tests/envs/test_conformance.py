"""Each check of the conformance suite can fail: benchmarks that are broken in one way each."""

from __future__ import annotations

import base64
import bz2
import codecs
import functools
import gzip
import itertools
import json
import lzma
import pickle
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.sandboxes import handle
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CommandTests, PytestTests, Status, Task, TestSpec, Workspace
from hrmgym.envs.tokens import load_tokens
from hrmgym.tests.conformance import checks
from hrmgym.tests.conformance.checks import Make
from hrmgym.tests.conformance.leaks import in_plain_sight, leaks, secrets_of
from hrmgym.tests.tiny import DOUBLE, DOUBLE_FIXED, Tiny, calls, double_task

SECRET = "def unlock(door):\n    return door.key * 4711 + len(door.hinges)\n"
TASK = replace(
    double_task(),
    source="here",
    split="test",
    workspace=Workspace(files={"double.py": DOUBLE, "notes.txt": "A note about doors.\n"}),
    reference={"double.py": SECRET},
    hidden_tests=calls("double.py", "double", (("a long hidden argument",), 10)),
)


def good(**changes: Any) -> list[Task]:
    """Two sound tasks, changed."""
    one = replace(double_task(), source="here", split="test")
    other = {"id": "other", "prompt": "Another one."}
    return [replace(one, **changes), replace(one, **other | changes)]


class OneSplit(Benchmark):
    """Has the tasks that it is given."""

    name = "broken"
    version = "1"
    splits = ("test",)

    def __init__(self, tasks: list[Task]) -> None:
        self._tasks = [replace(task, benchmark=self.name) for task in tasks]

    def tasks(self, split: str) -> list[Task]:
        """All of them."""
        self.check_split(split)
        return self._tasks


def maker(tasks: list[Task] | None = None, env: type[SoftwareEnv] = SoftwareEnv) -> Make:
    """Makes environments over some tasks, by default sound ones."""
    return lambda **options: env(OneSplit(good() if tasks is None else tasks), **options)


CHECKS = [
    checks.tasks_are_well_formed,
    checks.the_reference_alone_solves,
    checks.the_reference_policy_solves_what_noop_does_not,
    checks.the_interface_reaches_the_reference,
    checks.two_copies_with_one_seed_agree,
    checks.a_restored_snapshot_continues_exactly,
    checks.its_candidates_continue_exactly,
    checks.nothing_leaks,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_benchmark_passes(check: Callable[[Make], None]) -> None:
    check(maker())


def test_a_sound_benchmark_with_a_tree_passes(tmp_path: Path) -> None:
    """The solution is graded in the whole workspace, the tree's part included."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "consts.py").write_text("FACTOR = 2\n")
    (tmp_path / "double.py").write_text(DOUBLE)
    tasks = good(
        workspace=Workspace(files={"readme": "double"}, tree=str(tmp_path)),
        editable=("double.py", "made.py"),
        reference={
            "double.py": "from made import double\n",
            "made.py": "from lib.consts import FACTOR\n\ndef double(x):\n    return x * FACTOR\n",
        },
    )
    for check in CHECKS:
        check(maker(tasks))


class Flaky(SoftwareEnv):
    """Every run of tests says something else."""

    count = itertools.count()

    def _visible(self, state: Any, **options: Any) -> Outcome:
        ids = state.task.visible_tests.test_ids
        return Outcome(tests=dict.fromkeys(ids, Status.FAILED), message=f"{next(self.count)}")


class Deaf(SoftwareEnv):
    """Its seed does not choose the task."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=0)
        return super().reset(options={"task": self.tasks[0].id})


class Forgetful(SoftwareEnv):
    """Restores the files and nothing else."""

    def restore(self, snapshot: Any) -> tuple[Any, dict[str, Any]]:
        return super().restore(replace(snapshot, steps=0, undo=()))


class Generous(Benchmark):
    """Every grade is a pass."""

    def run_tests(
        self,
        task: Task,
        tests: TestSpec,
        files: Mapping[str, str],
        sandbox: handle.TestRunner,
        *,
        fresh: bool = False,
    ) -> Outcome:
        """All passed."""
        return Outcome(tests=dict.fromkeys(tests.test_ids, Status.PASSED))


class GenerousSplit(Generous, OneSplit):
    """Sound tasks, graded by nobody."""


class Short(OneSplit):
    """Its grade leaves the visible tests out."""

    def grade(self, task: Task, files: Mapping[str, str], sandbox: handle.TestRunner) -> Outcome:
        """The hidden ones alone."""
        return self.run_tests(task, task.hidden_tests, files, sandbox, fresh=True)


class Stuck(SoftwareEnv):
    """Takes every edit back."""

    def step(self, action: Any) -> Any:
        before = self.state
        result = super().step(action)
        self._state = replace(self.state, files=before.files)
        return result


class Alien(SoftwareEnv):
    """Its observations are outside its space."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(seed=seed, options=options)
        return {**observation, "tokens": observation["tokens"] - 5}, info


def telling(secret: Callable[[Task], Any]) -> type[SoftwareEnv]:
    """An environment whose infos tell something."""

    class Telling(SoftwareEnv):
        def _info(self, state: Any) -> dict[str, Any]:
            return super()._info(state) | {"more": secret(self.task)}

    return Telling


class Careless(SoftwareEnv):
    """Its states hold the whole task."""

    def reset(self, **options: Any) -> Any:
        found = super().reset(**options)
        self._state = replace(self.state, task=self.task)
        return found


class Talkative(SoftwareEnv):
    """Its rendering shows the solution at the end of an episode."""

    def render(self) -> Any:
        return super().render() + (str(self.task.reference) if self._done else "")


def wrong_split() -> list[Task]:
    return [*good(), replace(good()[0], id="third", split="train")]


@pytest.mark.parametrize(
    ("check", "make"),
    [
        (checks.tasks_are_well_formed, maker([good()[0], good()[0]])),
        (checks.tasks_are_well_formed, maker(wrong_split())),
        (checks.tasks_are_well_formed, maker(good(language="cobol"))),
        (checks.tasks_are_well_formed, maker(good(editable=("double.py", "nowhere.py")))),
        (checks.tasks_are_well_formed, maker(good(reference={"elsewhere.py": ""}))),
        (checks.tasks_are_well_formed, maker(good(prompt=""))),
        (checks.tasks_are_well_formed, maker(good(source=""))),
        (checks.tasks_are_well_formed, maker(good(hidden_tests=calls("double.py", "double")))),
        (checks.the_reference_alone_solves, maker(good(reference={"double.py": DOUBLE}))),
        (
            checks.the_reference_alone_solves,
            maker(good(workspace=Workspace(files={"double.py": DOUBLE_FIXED}))),
        ),
        (checks.the_reference_alone_solves, lambda **o: SoftwareEnv(GenerousSplit(good()), **o)),
        (checks.the_reference_alone_solves, lambda **o: SoftwareEnv(Short(good()), **o)),
        (
            checks.the_reference_policy_solves_what_noop_does_not,
            maker(good(workspace=Workspace(files={"double.py": DOUBLE_FIXED}))),
        ),
        (
            checks.the_reference_policy_solves_what_noop_does_not,
            maker(good(reference={"double.py": DOUBLE})),
        ),
        (checks.the_reference_policy_solves_what_noop_does_not, maker(env=Alien)),
        (checks.the_interface_reaches_the_reference, maker(env=Stuck)),
        (checks.two_copies_with_one_seed_agree, maker(env=Flaky)),
        (checks.two_copies_with_one_seed_agree, maker(env=Deaf)),
        (checks.a_restored_snapshot_continues_exactly, maker(env=Flaky)),
        (checks.a_restored_snapshot_continues_exactly, maker(env=Forgetful)),
        (checks.its_candidates_continue_exactly, maker(env=Forgetful)),
        (checks.nothing_leaks, maker([TASK], telling(lambda task: task))),
        (checks.nothing_leaks, maker([TASK], telling(lambda task: task.hidden_tests))),
        (checks.nothing_leaks, maker([TASK], Talkative)),
        (checks.nothing_leaks, maker([TASK], Careless)),
        (checks.nothing_leaks, maker([replace(TASK, prompt=f"Not this: {SECRET}")])),
        (
            checks.nothing_leaks,
            maker([replace(TASK, workspace=Workspace(files={"double.py": "", ".old": SECRET}))]),
        ),
    ],
)
def test_each_check_can_fail(
    check: Callable[[Make], None], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_EDITS", 20)
    with pytest.raises(AssertionError):
        check(make)


class Holder:
    """An ordinary object."""

    def __init__(self, value: Any) -> None:
        self.value = value


def closed_over(text: str) -> Callable[[], str]:
    return lambda: text


def tokens(text: str) -> list[int]:
    return load_tokens().encode(text).ids


def framed(text: str) -> Any:
    """The text's tokens in the middle of a canvas."""
    ids = [2, *tokens("a prompt"), 3, *tokens(text), 3]
    return np.array(ids + [0] * (256 - len(ids)), dtype=np.int32)


def squared(text: str) -> Any:
    ids = tokens(text)
    side = int(len(ids) ** 0.5) + 1
    return np.array(ids + [0] * (side * side - len(ids))).reshape(side, side)


def packed(text: str) -> str:
    return base64.b85encode(lzma.compress(pickle.dumps([1, {"x": text}]))).decode()


FORMS: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "in a sentence": lambda text: f"do not write {text!s} here",
    "one line": lambda text: text.splitlines()[1],
    "repr": repr,
    "repr of repr": lambda text: repr(repr(text)),
    "ascii escapes": lambda text: "".join(f"\\x{ord(c):02x}" for c in text),
    "json": lambda text: json.dumps({"a": [text]}),
    "without spaces": lambda text: text.replace(" ", ""),
    "characters": list,
    "lines in a dict": lambda text: dict(enumerate(text.splitlines())),
    "key": lambda text: {text: 1},
    "set": lambda text: {(text,)},
    "bytes": lambda text: text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-32": lambda text: text.encode("utf-32-le"),
    "hex": lambda text: text.encode().hex(),
    "hex with spaces": lambda text: text.encode().hex(" "),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 bytes": lambda text: base64.b64encode(text.encode()),
    "urlsafe base64": lambda text: "key=" + base64.urlsafe_b64encode(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "zlib": lambda text: zlib.compress(text.encode()),
    "gzip": lambda text: gzip.compress(text.encode()),
    "bz2": lambda text: bz2.compress(text.encode()),
    "lzma": lambda text: lzma.compress(text.encode()),
    "pickle": lambda text: pickle.dumps({"a": (text,)}),
    "compressed pickle": lambda text: zlib.compress(pickle.dumps([text])),
    "compressed in text": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    "packed thrice": packed,
    "reversed": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "code points": lambda text: [ord(c) for c in text],
    "code points in text": lambda text: str([ord(c) for c in text]),
    "array of bytes": lambda text: np.frombuffer(text.encode(), np.uint8),
    "array of floats": lambda text: np.array([float(ord(c)) for c in text]),
    "array of texts": lambda text: np.array([text, "x"]),
    "array of objects": lambda text: np.array([{"a": text}, None], dtype=object),
    "tokens": tokens,
    "tokens in a canvas": framed,
    "tokens in a nested array": lambda text: [{"a": (np.stack([framed("x"), framed(text)]),)}],
    "tokens in a square": squared,
    "tokens in a transposed square": lambda text: squared(text).T,
    "tokens as raw bytes": lambda text: framed(text).tobytes(),
    "tokens as int16 bytes": lambda text: framed(text).astype(">i2").tobytes(),
    "tokens, pickled": lambda text: pickle.dumps(framed(text)),
    "tokens as json": lambda text: json.dumps(tokens(text)),
    "tokens as floats": lambda text: framed(text).astype(np.float32),
    "a huge number": lambda text: int.from_bytes(text.encode(), "big"),
    "an object": Holder,
    "a closure": closed_over,
    "a partial": lambda text: functools.partial(print, text),
    "a snapshot": lambda text: CommandTests(command=("sh", "-c", text)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("where", ["alone", "in an info"])
def test_a_leak_is_found_in_every_form(form: Callable[[str], Any], where: str) -> None:
    secrets = secrets_of(TASK)
    told = form(SECRET)
    assert leaks(told if where == "alone" else ({"a": 1}, {"b": [None, told]}), secrets)
    nothing = form("def harmless(door):\n    return door.handle - 1 + min(door.panels)\n")
    assert not leaks(nothing, secrets)


def test_what_is_given_is_no_secret() -> None:
    task = replace(TASK, reference={"double.py": f"{DOUBLE}# more\n"}, prompt=SECRET)
    assert not any(secret == "returnx+2" for secret in secrets_of(task))
    assert not leaks(DOUBLE, secrets_of(task))
    assert any("hidden" in what for what in secrets_of(TASK).values())
    assert leaks({"seen": "a long hidden argument"}, secrets_of(TASK))


def test_hidden_test_files_in_the_workspace_are_in_plain_sight() -> None:
    file = "from double import double\n\n\ndef test_it():\n    assert double(5) == 10\n"
    hidden = PytestTests(files={"test_h.py": file}, ids=("test_h.py::test_it",))
    there = Workspace(files={"double.py": DOUBLE, "tests/old.py": f"# kept\n{file}"})
    assert in_plain_sight(replace(TASK, hidden_tests=hidden, workspace=there))
    assert not in_plain_sight(replace(TASK, hidden_tests=hidden))
    assert not in_plain_sight(
        replace(TASK, hidden_tests=hidden, visible_tests=hidden, workspace=there)
    )


def test_tiny_tasks_leak_nothing() -> None:
    with SoftwareEnv(Tiny(), task="clamp") as env:
        observation, info = env.reset(seed=0)
        secrets = secrets_of(env.task)
        assert secrets
        assert not leaks((observation, info, env.save()), secrets)
        assert not leaks(env.state, secrets)
        assert leaks(env.task, secrets)
        env.step(tool_action("submit"))
