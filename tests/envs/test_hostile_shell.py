"""Whatever a command leaves is a state, or is refused; this episode and the next ones go on."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import legal_tools, tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import CallCase, CallTests, Limits, Task, Workspace
from hrmgym.experiments.evaluate.score import score
from hrmgym.experiments.loader import load
from hrmgym.policies.base import Spaces
from hrmgym.policies.baselines import RandomPolicy
from hrmgym.tests.hostile import CODES, COMMANDS, cannot_be_shown

CASE = CallCase(id="two", args=(2,), expected=4)
TESTS = CallTests(path="solve.py", function="f", cases=(CASE,))
TASK = Task(
    id="solve",
    benchmark="hostile",
    language="python",
    split="test",
    prompt="f(x) is twice x.",
    workspace=Workspace(files={"solve.py": "def f(x):\n    return x + 1\n", "notes": "x\n"}),
    editable=("solve.py",),
    visible_tests=TESTS,
    hidden_tests=replace(TESTS, cases=(replace(CASE, args=(3,), expected=6),)),
    limits=Limits(cpu_s=2.0, wall_s=15.0),
    reference={"solve.py": "def f(x):\n    return 2 * x\n"},
)
#: These use up their time.
LATE = {"stopped": "kill -STOP -1; kill -STOP $$; kill -STOP $PPID", "asleep": "sleep 100"}


class Hostile(Benchmark):
    """Tasks of which the files are given."""

    name = "hostile"
    version = "1"
    splits = ("test",)

    def __init__(self, *tasks: Task) -> None:
        self._tasks = tasks

    def tasks(self, split: str) -> tuple[Task, ...]:
        """All of them."""
        return self._tasks


def make(task: Task = TASK, **options: Any) -> SoftwareEnv:
    return SoftwareEnv(Hostile(task), max_steps=1000, render_mode="ansi", **options)


@pytest.fixture(scope="module")
def shell() -> Iterator[SoftwareEnv]:
    env = make(interface="shell")
    yield env
    env.close()


@pytest.fixture(scope="module")
def edit() -> Iterator[SoftwareEnv]:
    env = make()
    yield env
    env.close()


def check_shown(env: SoftwareEnv, observation: Any, info: dict[str, Any]) -> None:
    """All that is shown of a state can be shown."""
    assert env.observation_space.contains(observation)
    for text in (observation, env.state.outcome and env.state.outcome.message, info["tests"]):
        if isinstance(text, str):
            assert not cannot_be_shown(text)
    assert not cannot_be_shown(env.render().replace("\x1b", ""))
    json.dumps({**info, "more": 1}, ensure_ascii=False).encode()


def go_on(shell: SoftwareEnv, edit: SoftwareEnv) -> None:
    """The state is kept exactly, is seen through the other interface, and the episode goes on."""
    saved = shell.save()
    assert pickle.loads(pickle.dumps(saved)) == saved
    assert len(saved.key) == 64
    check_shown(edit, *edit.restore(saved))
    for _ in range(2):
        for tool in ("open_file", "next_window", "goto_failure"):
            observation, _, _, _, info = edit.step(tool_action(tool))
            check_shown(edit, observation, info)
    observation, _, _, _, info = shell.step("ls | wc -l; ls -A /tmp; echo fine")
    assert "fine" in observation, observation
    assert not info["failure"]
    shell.restore(saved)
    assert shell.save() == saved
    shell.reset(options={"task": "solve"})
    *_, terminated, _, info = shell.step("printf 'def f(x):\\n    return x + x\\n' > solve.py")
    assert terminated
    assert info["is_success"]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_has_an_end(shell: SoftwareEnv, edit: SoftwareEnv, command: str) -> None:
    shell.reset(seed=0)
    observation, _, terminated, truncated, info = shell.step(command)
    assert not terminated
    assert not truncated
    assert not info["failure"], info
    check_shown(shell, observation, info)
    go_on(shell, edit)


@pytest.mark.parametrize("command", LATE.values(), ids=LATE)
def test_a_command_that_does_not_end_is_killed(
    shell: SoftwareEnv, edit: SoftwareEnv, command: str
) -> None:
    shell.reset(seed=0)
    object.__setattr__(TASK, "limits", replace(TASK.limits, wall_s=1.0))
    try:
        observation, _, _, _, info = shell.step(command)
    finally:
        object.__setattr__(TASK, "limits", replace(TASK.limits, wall_s=15.0))
    assert "exit code 124" in observation
    check_shown(shell, observation, info)
    go_on(shell, edit)


@pytest.mark.parametrize("command", ["lone surrogate", "surrogate escape", "nul", "blank"])
def test_text_that_is_no_command_is_refused(shell: SoftwareEnv, command: str) -> None:
    shell.reset(seed=0)
    before = shell.state
    *_, info = shell.step(COMMANDS[command])
    assert info["refused"]
    assert shell.state == replace(before, steps=1, output=f"refused: {info['refused']}")


@pytest.mark.parametrize("command", ["deep folders", "long names", "too large", "too many files"])
def test_what_no_state_can_hold_is_not_kept(shell: SoftwareEnv, command: str) -> None:
    shell.reset(seed=0)
    before = shell.state.files
    observation, *_ = shell.step(COMMANDS[command])
    assert "no change is kept" in observation
    assert shell.state.files == before


# --- files on the canvas -------------------------------------------------------------------------

CONTENTS: dict[str, str | bytes] = {
    "bytes": bytes(range(256)) * 3,
    "random bytes": bytes((i * i * 31 + i) % 256 for i in range(3000)),
    "no text at its end": b"def f(x):\n    return x\n\xff",
    "latin-1": "def f(x):\n    return '\xe9t\xe9' * x\n".encode("latin-1"),
    "half a character": "é".encode()[:1],
    "utf-16": "def f(x): return x\n".encode("utf-16"),
    "utf-8 surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "nul": "a\0b\0\0",
    "controls": "".join(map(chr, range(160))),
    "escape sequences": "# \x1b[2J\x1b]0;t\x07\n",
    "directions": "# \u202ereversed\u2066\n",
    "line ends": "a\rb\r\nc\x85d\u2028e\x0cf\x0b\n",
    "long line": "x" * 200_000,
    "many lines": "\n" * 100_000,
    "deep": "(" * 10_000,
    "digits": "9" * 10_000,
    "empty": "",
    "a byte": b"\xff",
}


@pytest.mark.parametrize("place", ["solve.py", "notes"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_any_file_can_be_on_the_canvas(content: str | bytes, place: str) -> None:
    """Seen, passed by, and edited where it may be; bytes that are no text stay what they are."""
    text = content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
    task = replace(TASK, workspace=Workspace(files={**TASK.workspace.files, place: text}))
    env = make(task)
    try:
        check_shown(env, *env.reset(seed=0))
        policy = RandomPolicy(Spaces.of(env), 0)
        for number in range(12):
            observation = env.interface.observe(env.state)
            tools = legal_tools(observation["budget"], observation["roles"])
            action = tool_action("open_file")
            if number != 6 and tools[TOOLS.index("edit")]:
                action, _ = policy.act(observation)
            observation, _, terminated, _, info = env.step(action)
            check_shown(env, observation, info)
            if terminated:
                check_shown(env, *env.reset(seed=0))
        # Undo leads back to every byte of it.
        while env.state.undo:
            env.step(tool_action("undo"))
        assert env.state.files[place] == text
    finally:
        env.close()


@pytest.mark.parametrize(
    "name", ["bytes", "latin-1", "no text at its end", "utf-16", "nul", "empty"]
)
def test_edits_lead_from_any_file_to_a_text(name: str) -> None:
    content = CONTENTS[name]
    start = content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
    end = TASK.reference["solve.py"]
    task = replace(TASK, workspace=Workspace(files={"solve.py": start}))
    env = make(task, auto_test=False, auto_submit=False)
    try:
        env.reset(seed=0)
        for _ in range(900):
            action = env.interface.toward(env.state, {"solve.py": end})
            if action[0] == TOOLS.index("submit"):
                break
            *_, info = env.step(action)
            assert not info["refused"], info
        assert env.state.files["solve.py"] == end
    finally:
        env.close()


def test_an_edit_of_what_has_become_a_folder_is_refused(
    shell: SoftwareEnv, edit: SoftwareEnv
) -> None:
    shell.reset(seed=0)
    shell.step(COMMANDS["folder instead"])
    edit.restore(shell.save())
    before = edit.state
    action = edit.interface.toward(before, TASK.reference)
    observation, *_, info = edit.step(action)
    assert "is a folder" in info["refused"]
    assert edit.state == replace(before, steps=before.steps + 1, exit_code=-1)
    check_shown(edit, observation, info)


def test_a_file_that_is_gone_can_be_written_again(shell: SoftwareEnv, edit: SoftwareEnv) -> None:
    shell.reset(seed=0)
    shell.step("rm solve.py notes")
    edit.restore(shell.save())
    for _ in range(100):
        action = edit.interface.toward(edit.state, TASK.reference)
        *_, terminated, _, info = edit.step(action)
        if terminated:
            break
    assert info["is_success"]


def test_what_raises_leaves_the_state_as_it_was(
    edit: SoftwareEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit.reset(seed=0)
    edit.step(tool_action("open_file"))
    edit.step(tool_action("open_file"))
    before = edit.save()
    action = edit.interface.toward(edit.state, TASK.reference)
    observe = type(edit.interface).observe
    left = 1  # `decode` looks, too

    def fail(interface: Any, state: Any) -> Any:
        nonlocal left
        if not left:
            raise RuntimeError("cannot be seen")
        left -= 1
        return observe(interface, state)

    with monkeypatch.context() as patch:
        patch.setattr(type(edit.interface), "observe", fail)
        for act in (
            lambda: edit.step(action),
            lambda: edit.reset(),
            lambda: edit.restore(replace(before, steps=0)),
        ):
            with pytest.raises(RuntimeError, match="cannot be seen"):
                act()
            after = edit.save()
            assert replace(after, rng=before.rng) == before
    *_, info = edit.step(action)
    assert info["steps"] == 3
    assert not info["refused"]


def test_a_score_over_hostile_code_completes(tmp_path: Path) -> None:
    tests = {"kind": "calls", "path": "f.py", "function": "f"}
    lines = [
        {
            "id": name,
            "language": "python",
            "prompt": f"{name}: f(x) is twice x.",
            "files": {"f.py": code},
            "editable": ["f.py"],
            "visible_tests": tests | {"cases": [{"args": [2], "expected": 4}]},
            "hidden_tests": tests | {"cases": [{"args": [3], "expected": 6}]},
            "reference": {"f.py": "def f(x):\n    return x * 2\n"},
            "limits": {"cpu_s": 1.0, "wall_s": 20.0},
            "tags": ["\x1b[31mred", "\u202ereversed"],
        }
        for name, code in CODES.items()
        if name != "source: bytes that are no text"
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for policy, solved in (("noop", 0), ("reference", len(lines))):
        changes = ["benchmark=jsonl", f"benchmark.path={path}", f"policy={policy}"]
        report = score(load("score-quixbugs-noop", [*changes, "env.max_steps=1"]))
        assert report.complete
        assert sum(task.solved for task in report.records) == solved
        json.loads(report.to_json())
        report.to_json().encode()


def test_what_was_said_before_is_not_said_again(shell: SoftwareEnv) -> None:
    shell.reset(seed=0)
    assert "hello" in shell.step("echo hello")[0]
    assert "hello" not in shell.step("test")[0]
    shell.step("echo hello")
    observation, *_, info = shell.step(" ")
    assert "hello" not in observation
    assert f"refused: {info['refused']}" in observation


def test_commands_before_the_last_word_are_run(shell: SoftwareEnv) -> None:
    shell.reset(seed=0)
    observation, *_, info = shell.step("echo hello > made\ntest  # and then the tests")
    assert info["tool"] == "run_tests"
    assert shell.state.files["made"] == "hello\n"
    observation, _, terminated, _, info = shell.step("cat made\nsubmit")
    assert (terminated, info["tool"]) == (True, "submit")
    assert "hello" in observation
