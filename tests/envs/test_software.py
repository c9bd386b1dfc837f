"""Tests of the environment, on real runs in the sandbox."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env

from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.interfaces.edit import tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Task, Workspace
from hrmgym.envs.workspace import Files
from hrmgym.errors import ActionError, ConfigError, UnknownNameError
from hrmgym.tests.tiny import CLAMP, CLAMP_FIXED, DOUBLE, DOUBLE_FIXED, Tiny, double_task

MakeEnv = Callable[..., SoftwareEnv]


@pytest.fixture
def make() -> Iterator[MakeEnv]:
    """Makes environments over the tiny benchmark, and closes them."""
    made: list[SoftwareEnv] = []

    def one(**options: Any) -> SoftwareEnv:
        made.append(SoftwareEnv(Tiny(), **options))
        return made[-1]

    yield one
    for env in made:
        env.close()


def edit(env: SoftwareEnv, old: str, new: str) -> np.ndarray:
    """The action that replaces the one place of `old` in the shown file."""
    assert isinstance(env.interface, EditInterface)
    text = env.state.files[env.state.cursor.path]
    assert text.count(old) == 1
    action = env.interface.encode_edit(env.state, text.index(old), text.index(old) + len(old), new)
    assert action is not None
    return action


def test_an_episode_that_is_solved(make: MakeEnv) -> None:
    env = make(task="double")
    _, info = env.reset(seed=0)
    assert info["tests"] == "1/2 tests pass"
    assert info["test_runs"] == 0
    _, reward, terminated, truncated, info = env.step(edit(env, "+", "*"))
    assert terminated
    assert not truncated
    assert info["is_success"]
    assert info["tests_passed"] == 1.0
    assert reward == pytest.approx(1.0 + 0.2 * 0.5 - 0.01)
    assert sum(info["rewards"].values()) == reward
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(tool_action("submit"))


def test_visible_tests_are_not_enough(make: MakeEnv) -> None:
    """A change that only satisfies the visible tests ends the episode, and is not a success."""
    env = make(task="double")
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(edit(env, "x + 2", "{2: 4, 3: 6}[x]"))
    assert terminated
    assert info["tests_passed"] == 1.0
    assert not info["is_success"]
    assert float(reward) < 1.0


def test_an_agent_that_must_submit(make: MakeEnv) -> None:
    env = make(task="double", auto_submit=False)
    env.reset(seed=0)
    assert not env.step(edit(env, "+", "*"))[2]
    _, _, terminated, _, info = env.step(tool_action("submit"))
    assert terminated
    assert info["is_success"]


def test_tests_on_request_only(make: MakeEnv) -> None:
    env = make(task="double", auto_test=False, auto_submit=False)
    observation, info = env.reset(seed=0)
    assert info["tests"] == ""
    assert observation["budget"][6] == 0
    _, _, _, _, info = env.step(edit(env, "+", "*"))
    assert (info["tests"], info["test_runs"]) == ("", 0)
    _, _, _, _, info = env.step(tool_action("run_tests"))
    assert (info["tests"], info["test_runs"]) == ("2/2 tests pass", 1)


def test_undo_goes_back_and_costs_no_test_run(make: MakeEnv) -> None:
    env = make(task="clamp")
    before, _ = env.reset(seed=0)
    env.step(edit(env, "max", "min"))
    after, _, _, _, info = env.step(tool_action("undo"))
    assert info["test_runs"] == 1
    assert env.state.files["clamp.py"] == CLAMP
    assert (after["tokens"] == before["tokens"]).all()


def test_edits_that_help_nothing_can_be_taken_back(make: MakeEnv) -> None:
    env = make(task="clamp", keep_edits="if_better")
    env.reset(seed=0)
    _, _, _, _, info = env.step(edit(env, "max", "abs"))
    assert not info["kept"]
    assert info["test_runs"] == 1
    assert env.state.files["clamp.py"] == CLAMP
    assert env.state.undo == ()


def test_budgets_truncate(make: MakeEnv) -> None:
    env = make(task="clamp", max_steps=2)
    env.reset(seed=0)
    assert env.step(tool_action("undo"))[2:4] == (False, False)
    _, _, terminated, truncated, info = env.step(tool_action("undo"))
    assert (terminated, truncated) == (False, True)
    assert info["refused"] == "there is nothing to undo"
    env = make(task="clamp", max_steps=9, max_test_runs=1)
    env.reset(seed=0)
    assert env.step(edit(env, "max", "abs"))[3]
    env = make(task="clamp", max_seconds=0.01)
    env.reset(seed=0)
    time.sleep(0.02)
    assert env.step(tool_action("undo"))[3]


def test_an_endless_loop_is_a_failed_test(make: MakeEnv) -> None:
    env = make(task="count")
    _, info = env.reset(seed=0)
    assert info["tests"] == "1/2 tests pass"
    assert "timed out" in (env.state.outcome.message if env.state.outcome else "")
    assert env.step(edit(env, "+= 0", "+= 1"))[4]["is_success"]


def test_a_broken_file_is_a_failed_test(make: MakeEnv) -> None:
    env = make(task="double")
    env.reset(seed=0)
    _, _, terminated, _, info = env.step(edit(env, "return", "return return"))
    assert not terminated
    assert info["tests_passed"] == 0.0


def test_tasks_are_drawn_by_the_seed(make: MakeEnv) -> None:
    env = make()

    def drawn(seed: int) -> list[str]:
        return [env.reset(seed=seed)[1]["task"], *(env.reset()[1]["task"] for _ in range(9))]

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(3)}) == 3
    assert set(drawn(1) + drawn(2)) == {"double", "clamp", "count"}
    assert env.reset(options={"task": "clamp"})[1]["task"] == "clamp"


def test_splits_and_lists_of_tasks(make: MakeEnv) -> None:
    assert make(split="test").reset()[1]["task"] == "double"
    assert make(tasks=["clamp"]).reset()[1]["task"] == "clamp"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "doubel"}, "unknown task 'doubel'; did you mean 'double'"),
        ({"split": "valid"}, "unknown split 'valid'"),
        ({"interface": "sell"}, "unknown interface 'sell'; did you mean 'shell'"),
        ({"keep_edits": "never"}, "unknown keep_edits 'never'"),
        ({"max_steps": 0}, "max_steps: should be greater than or equal to 1, not 0"),
        ({"max_test_runs": -1}, "max_test_runs: should be greater than or equal to 1, not -1"),
        ({"canvas": 63}, "canvas: should be greater than or equal to 64, not 63"),
        (
            {"max_stepps": 3},
            "got an unexpected keyword argument 'max_stepps'; did you mean 'max_steps'",
        ),
        ({"auto_test": 3}, "auto_test: should be a valid boolean, not 3"),
        ({"keep_edits": "if_better", "auto_test": False}, "needs auto_test"),
        ({"task": "double", "tasks": ["clamp"]}, "task or tasks, not both"),
        ({"benchmark_path": "x"}, "benchmark_path goes with a benchmark's name"),
        ({"sandbox": "lokal"}, "'lokal'"),
        ({"rewards": {"sovled": 1.0}}, "did you mean 'solved'"),
    ],
)
def test_wrong_options_say_so(make: MakeEnv, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        make(**options)


def test_an_unknown_option_is_a_type_error_as_libraries_expect(make: MakeEnv) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'; known: auto_sub"):
        make(frameskip=4)
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'; known: auto_sub"):
        gymnasium.make("hrmgym/Katas-v0", frameskip=4)


def test_wrong_calls_say_so(make: MakeEnv) -> None:
    env = make(task="double")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(tool_action("submit"))
    with pytest.raises(UnknownNameError, match="unknown reset option 'tsk'; did you mean 'task'"):
        env.reset(options={"tsk": "double"})
    env.reset(seed=0)
    with pytest.raises(ActionError):
        env.step(np.zeros(3, dtype=np.int64))
    assert env.step(edit(env, "+", "*"))[4]["is_success"]


def test_save_and_restore_from_anywhere(make: MakeEnv) -> None:
    env = make(task="clamp", max_steps=8)
    env.reset(seed=0)
    start = env.save()
    env.step(edit(env, "max", "abs"))
    middle = env.save()
    assert start.key != middle.key
    env.restore(start)
    assert env.save() == start
    assert env.state.files["clamp.py"] == CLAMP
    other = make(task="double")
    other.restore(middle)
    assert other.state.files["clamp.py"] == CLAMP.replace("max", "abs")
    with pytest.raises(ConfigError, match="snapshot is of benchmark 'tiny'"):
        SoftwareEnv("katas").restore(middle)


def test_the_key_does_not_depend_on_the_way(make: MakeEnv) -> None:
    env = make(task="clamp")
    env.reset(seed=0)
    key = env.save().key
    env.step(edit(env, "max", "abs"))
    env.step(edit(env, "abs", "max"))
    assert env.save().key == key


def test_the_shell_solves_a_task_with_any_command(make: MakeEnv) -> None:
    env = make(task="double", interface="shell")
    text, _ = env.reset(seed=0)
    assert DOUBLE in text
    text, _, _, _, info = env.step("cat double.py; echo oops >&2; exit 3")
    assert "x + 2" in text
    assert "oops" in text
    assert "(exit code 3)" in text
    assert info["test_runs"] == 0
    _, _, terminated, _, info = env.step("sed -i 's/+/*/' double.py")
    assert terminated
    assert info["is_success"]
    assert env.state.files["double.py"] == DOUBLE_FIXED


def test_the_shells_state_is_its_files(make: MakeEnv) -> None:
    env = make(task="double", interface="shell", auto_submit=False)
    env.reset(seed=0)
    env.step("mkdir -p a/b && printf 'caf\\351' > a/b/c.txt && cd a && X=1")
    saved = env.save()
    env.step("rm -r a double.py; sed -i s/x/y/ *.py")
    assert env.state.files == {}
    env.restore(saved)
    text, *_ = env.step("pwd; echo X=$X; od -c a/b/c.txt | head -1; ls")
    assert "X=\n" in text
    assert "351" in text
    assert "double.py" in text


def test_what_a_shell_adds_beside_the_editable_files_reaches_no_grade(make: MakeEnv) -> None:
    env = make(task="double", interface="shell")
    env.reset(seed=0)
    cheat = "import builtins\nbuiltins.abs = lambda x: 0\n"
    _, _, _, _, info = env.step(
        f"printf %s '{cheat}' > sitecustomize.py; cp sitecustomize.py conftest.py"
    )
    assert info["tests"] == "1/2 tests pass"
    assert set(env.state.candidate()) == {"double.py"}


def test_vector_environments() -> None:
    vector = gymnasium.make_vec("hrmgym/Katas-v0", num_envs=2, vectorization_mode="sync")
    observation, _ = vector.reset(seed=0)
    assert observation["tokens"].shape == (2, 256)
    actions = np.stack([tool_action("submit")] * 2)
    _, _, terminated, _, info = vector.step(actions)
    assert terminated.all()
    assert not info["is_success"].any()
    vector.close()
    stable = make_vec_env("hrmgym/Katas-v0", n_envs=2, seed=0)
    assert stable.reset()["roles"].shape == (2, 256)
    _, _, done, infos = stable.step(actions)
    assert done.all()
    assert [info["episode"]["l"] for info in infos] == [1, 1]
    stable.close()


def test_workers_in_other_processes() -> None:
    vector = gymnasium.make_vec(
        "hrmgym/Katas-v0",
        num_envs=2,
        vectorization_mode="async",
        vector_kwargs={"context": "spawn"},
    )
    try:
        observation, _ = vector.reset(seed=0)
        assert observation["tokens"].shape == (2, 256)
        _, _, terminated, _, _ = vector.step(np.stack([tool_action("submit")] * 2))
        assert terminated.all()
    finally:
        vector.close()


def test_solved_means_what_the_fixed_text_says(make: MakeEnv) -> None:
    env = make(task="clamp")
    env.reset(seed=0)
    env.step(edit(env, "max(high, min(low, x))", "min(high, max(low, x))"))
    assert env.state.files["clamp.py"] == CLAMP_FIXED
    assert env.render() is None


def test_closing_twice_is_fine(make: MakeEnv) -> None:
    env = make(task="double")
    env.reset(seed=0)
    env.close()
    env.close()
    env.reset(seed=0)
    assert env.step(edit(env, "+", "*"))[4]["is_success"]


def test_permissions_links_and_folders_of_a_shell_are_saved(make: MakeEnv) -> None:
    env = make(task="double", interface="shell", auto_submit=False)
    env.reset(seed=0)
    start = env.save()
    env.step("printf '#!/bin/sh\\necho ran\\n' > run; chmod 755 run; ln -s run link; mkdir empty")
    saved = env.save()
    env.restore(start)
    assert "run" not in env.step("ls; touch /tmp/left")[0]
    env.restore(pickle.loads(pickle.dumps(saved)))
    text = env.step("./link; ls -d empty; ls /tmp")[0]
    assert text.startswith("ran\nempty\n")
    assert "left" not in text
    assert env.save().key == saved.key
    assert env.step("rm -r run link empty")[4]["tool"] == "shell"
    assert env.save().files == start.files
    assert env.save().key == start.key


def test_a_shell_that_writes_too_much_loses_its_changes(make: MakeEnv) -> None:
    env = make(task="double", interface="shell")
    env.reset(seed=0)
    text, _, terminated, _, _ = env.step("sed -i 's/+/*/' double.py; truncate -s 65M big")
    assert "no change is kept" in text
    assert not terminated
    assert env.state.files["double.py"] == DOUBLE


def test_tests_that_have_been_run_are_not_run_again(make: MakeEnv) -> None:
    """Neither by this environment, nor by another one of this process."""
    runs = []
    for _ in range(2):
        env = make(task="clamp")
        env.reset(seed=0)
        env.step(edit(env, "max", "(max)"))
        env.step(tool_action("undo"))
        env.step(edit(env, "max", "(max)"))
        runs.append(env.sandbox.counts.runs)  # of the pool that both share
    assert runs == [runs[0]] * 2
    env.step(edit(env, "(max)", "((max))"))
    assert env.sandbox.counts.runs == runs[0] + 1


def test_a_task_from_a_tree_of_this_machine(tmp_path: Path) -> None:
    """A thousand files below one that is edited, run as a program."""
    for i in range(1000):
        (tmp_path / f"p{i % 10}").mkdir(exist_ok=True)
        (tmp_path / f"p{i % 10}" / f"m{i}.py").write_text(f"x = {i}\n")
    (tmp_path / "go.sh").write_text("#!/bin/sh\npython3 double.py\n")
    (tmp_path / "go.sh").chmod(0o755)
    workspace = Workspace(files={"double.py": DOUBLE}, tree=str(tmp_path))
    task = replace(double_task(), workspace=workspace)

    class OfTree(Tiny):
        name = "tree"
        splits = ("train",)

        def tasks(self, split: str) -> Sequence[Task]:
            return (task,)

    env = SoftwareEnv(OfTree(), interface="shell", auto_submit=False)
    try:
        env.reset(seed=0)
        text = env.step("ls | wc -l; cat p7/m997.py; ./go.sh && echo ran; rm -r p1")[0]
        assert text.startswith("12\nx = 997\nran\n")
        snapshot = env.save()
        assert len(snapshot.files.changes) == 101
        assert len(pickle.dumps(snapshot)) < 10_000
        assert set(env.state.candidate().changes) == set()
        assert env.step("sed -i 's/+/*/' double.py")[4]["tests"] == "2/2 tests pass"
        env.restore(snapshot)
        assert "x + 2" in env.step("cat double.py; ls")[0]
    finally:
        env.close()


def test_a_snapshot_goes_to_another_process(make: MakeEnv) -> None:
    env = SoftwareEnv("katas", split="test", interface="shell", auto_test=False)
    try:
        env.reset(seed=0)
        env.step("echo hello > new; chmod 755 new")
        data = pickle.dumps(env.save())
    finally:
        env.close()
    program = (
        "import pickle, sys\n"
        "from hrmgym.envs.software import SoftwareEnv\n"
        "env = SoftwareEnv('katas', split='test', interface='shell', auto_test=False)\n"
        "snapshot = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "env.restore(snapshot)\n"
        "print(env.step('cat new; stat -c %a new')[0])\n"
        "env.close()\n"
    )
    command = [sys.executable, "-c", program, data.hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n755\n\n"


def test_a_snapshot_of_other_data_says_so(make: MakeEnv) -> None:
    env = make(task="double")
    env.reset(seed=0)
    snapshot = env.save()
    other = replace(snapshot, files=Files.of({"double.py": "other"}))
    with pytest.raises(ConfigError, match="began with other files"):
        env.restore(other)


def test_an_episode_can_start_from_other_files(make: MakeEnv) -> None:
    env = make(task="double")
    env.reset(options={"files": {"double.py": DOUBLE_FIXED}})
    assert env.state.files["double.py"] == DOUBLE_FIXED
    assert env.state.outcome is not None
    assert env.state.outcome.resolved
    assert [task.id for task in env.tasks] == ["double"]
    with pytest.raises(ConfigError, match=r"lets nobody edit 'other\.py', only double\.py"):
        env.reset(options={"files": {"other.py": ""}})


class TwoSplits(Tiny):
    """All of its tasks are in the second split."""

    splits = ("empty", "train")

    def tasks(self, split: str) -> Sequence[Task]:
        self.check_split(split)
        return () if split == "empty" else super().tasks(split)


def test_tasks_are_drawn_from_the_first_split_that_has_some() -> None:
    env = SoftwareEnv(TwoSplits())
    assert [task.id for task in env.tasks] == ["double", "clamp", "count"]
    env.close()
    with pytest.raises(ConfigError, match="split 'empty' has no tasks"):
        SoftwareEnv(TwoSplits(), split="empty")
