"""Snapshots with wrong fields: each is refused by name, and the environment stays as it was."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import cloudpickle
import numpy as np
import pytest

from hrmgym.envs.blobs import Blob, Entry
from hrmgym.envs.candidates import CandidateActions, CandidateSnapshot
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.state import Cursor, Snapshot
from hrmgym.envs.task import FailureCode, Outcome, Status
from hrmgym.envs.workspace import Base, Files
from hrmgym.errors import ConfigError, UserError
from hrmgym.tests.tiny import Tiny, double_task

OUTCOME = Outcome(tests={"a": Status.PASSED})


@pytest.fixture(scope="module")
def env() -> SoftwareEnv:
    """After an edit, without a sandbox."""
    env = SoftwareEnv(Tiny(), canvas=96, max_steps=9, auto_test=False, auto_submit=False)
    env.reset(seed=0, options={"task": "double"})
    env.step(env.interface.toward(env.state, {"double.py": "def double(x):\n    return 2 * x\n"}))
    return env


def everything(env: SoftwareEnv) -> Any:
    """All that `restore` may change."""
    kept = (env._state, env._done, env._success, env._failure, env._started_s)
    return *map(id, kept[:1]), *kept[1:], str(env.np_random.bit_generator.state)


def of_base(**changes: Any) -> Files:
    """The task's files with what no workspace can hold."""
    files = double_task().workspace.start
    made = Files(files.base_id, files.changes, files.base)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


WRONG: list[tuple[str, Any, str]] = [
    ("benchmark", 3, "benchmark: should be text, not 3"),
    ("benchmark", "katas", "is of benchmark 'katas', this environment plays 'tiny'"),
    ("task", None, "task: should be text, not None"),
    ("task", "doubel", "task: benchmark 'tiny': unknown task 'doubel'; did you mean 'double'?"),
    ("task", "clamp", "task 'clamp' began with other files"),
    ("files", {"double.py": "x"}, "files: should be Files, not {'double.py': 'x'}"),
    ("files", Base.of({"a": "b"}).files, "changes of another base than files"),
    ("files", of_base(changes=[]), "files: Files without a base or changes"),
    ("files", of_base(changes={"a": "text"}), "files: changes: 'a': should be an Entry or None"),
    ("files", of_base(changes={"a": Entry("f", 0o644, "x")}), "files: changes: 'a': should be"),
    ("files", of_base(changes={"a": Entry("l", 0, Blob.of("x"))}), "files: changes: 'a': should"),
    ("files", of_base(changes={"a": Entry("q", 0)}), "files: changes: 'a': should be an Entry"),
    ("files", of_base(changes={"a": Entry([], 0)}), "files: changes: 'a': should"),  # type: ignore
    ("files", of_base(changes={3: None}), "files: changes: paths are text, not 3"),
    ("files", of_base(base_id=4), "files: Files without"),
    ("cursor", ("double.py", 0), "cursor: should be a Cursor"),
    ("cursor", Cursor(b"double.py"), "cursor: path: should be text"),  # type: ignore[arg-type]
    ("cursor", Cursor("double.py", -1), "cursor: window: should be a whole number of at least 0"),
    ("cursor", Cursor("double.py", True), "cursor: window: should be a whole number"),
    ("outcome", "3/4 tests pass", "outcome: should be an Outcome or None, not '3/4 tests pass'"),
    ("outcome", replace(OUTCOME, tests=["a"]), "outcome: tests: should map ids to statuses"),
    ("outcome", replace(OUTCOME, tests={"a": "passed"}), "outcome: tests: 'a': should be the"),
    ("outcome", replace(OUTCOME, uncounted={"a"}), "outcome: uncounted: should be a frozenset"),
    ("outcome", replace(OUTCOME, line=-1), "outcome: line: should be a whole number of at least 0"),
    ("outcome", replace(OUTCOME, failure="disk"), "outcome: failure: should be None or a Fail"),
    ("passing", 1.5, "passing: should be a number from 0 to 1, not 1.5"),
    ("passing", float("nan"), "passing: should be a number from 0 to 1, not nan"),
    ("output", b"bytes", "output: should be text, not b'bytes'"),
    ("exit_code", "0", "exit_code: should be a whole number of at least -1, not '0'"),
    ("undo", [], "undo: should be a tuple, not []"),
    ("undo", ((1, 2),), "undo: 0: should be Files, not 1"),
    ("undo", ((1, 2, 3),), "undo: 0: should be Files and an Outcome or None"),
    ("undo", ((Base.of({"a": "b"}).files, None),), "undo: 0: changes of another base than files"),
    ("steps", -1, "steps: should be a whole number of at least 0, not -1"),
    ("steps", 2.0, "steps: should be a whole number of at least 0, not 2.0"),
    ("test_runs", True, "test_runs: should be a whole number of at least 0, not True"),
    ("done", 0, "done: should be a bool, not 0"),
    ("is_success", None, "is_success: should be a bool, not None"),
    ("failure", "disk", "failure: should be None or a FailureCode, not 'disk'"),
    ("elapsed_s", float("inf"), "elapsed_s: should be a number of at least 0, not inf"),
    ("elapsed_s", 10**400, "elapsed_s: should be a number of at least 0, not a number of 1329 b"),
    ("elapsed_s", -1.0, "elapsed_s: should be a number of at least 0, not -1.0"),
    ("rng", None, "rng: should be a mapping, not None"),
    ("rng", {}, "rng: no state of a PCG64"),
    ("rng", np.random.MT19937(0).state, "rng: no state of a PCG64"),
    ("rng", np.random.PCG64(0).state | {"state": {}}, "rng: no state of a PCG64"),
    ("rng", np.random.PCG64(0).state | {"uinteger": "x"}, "rng: no state of a PCG64"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
def test_a_wrong_field_is_named_and_changes_nothing(
    env: SoftwareEnv, field: str, value: Any, message: str
) -> None:
    snapshot = replace(env.save(), **{field: value})
    before = everything(env)
    for broken in (snapshot, snapshot):  # the second time, too
        with pytest.raises(ConfigError) as caught:
            env.restore(broken)
        assert message in str(caught.value)
        assert everything(env) == before


def test_every_field_has_a_wrong_value_above() -> None:
    assert {field for field, _, _ in WRONG} == {field.name for field in fields(Snapshot)}


@pytest.mark.parametrize("nothing", [None, 3, {}, "snapshot", Cursor("a")])
def test_what_is_no_snapshot_says_so(env: SoftwareEnv, nothing: Any) -> None:
    for one in (env, CandidateActions(SoftwareEnv(Tiny(), canvas=96))):
        with pytest.raises(ConfigError, match="takes a snapshot that save has made, got"):
            one.restore(nothing)


def test_a_snapshot_of_another_version_lacks_a_field(env: SoftwareEnv) -> None:
    old = pickle.loads(pickle.dumps(env.save()))
    object.__delattr__(old, "exit_code")
    with pytest.raises(ConfigError, match="snapshot: exit_code: missing: it was made by another"):
        env.restore(old)


def test_what_numpy_counts_with_does_too(env: SoftwareEnv) -> None:
    saved = env.save()
    counted = replace(
        saved,
        steps=np.int64(saved.steps),  # type: ignore[arg-type]
        passing=np.float32(0.5),  # type: ignore[arg-type]
        elapsed_s=3,
        failure=FailureCode.DISK,
        rng=MappingProxyType(dict(saved.rng)),
    )
    assert env.restore(counted)[1]["failure"] == "disk"
    assert env.restore(saved)[1]["failure"] == ""


@pytest.mark.parametrize("fresh", [True, False])
def test_a_wrong_snapshot_of_candidates_changes_nothing(fresh: bool) -> None:
    env = CandidateActions(SoftwareEnv(Tiny(), canvas=96))
    other = CandidateActions(SoftwareEnv(Tiny(), canvas=96))
    other.reset(seed=1)
    saved = other.save()
    if not fresh:
        env.reset(seed=0)
    base = env.unwrapped
    assert isinstance(base, SoftwareEnv)
    before = everything(base), env._shown, env._seen
    wrong: list[tuple[Any, str]] = [
        (replace(saved, inner=None), "got NoneType"),
        (replace(saved, inner=saved), "got CandidateSnapshot"),
        (replace(saved, inner=replace(saved.inner, steps="1")), "snapshot: steps: should be"),
        (replace(saved, inner=replace(saved.inner, rng={})), "snapshot: rng: no state of"),
        (replace(saved, seen=["a"]), "snapshot: seen: should be a frozenset of keys"),
        (replace(saved, seen=frozenset({3})), "snapshot: seen: should be a frozenset of keys"),
    ]
    for broken, message in wrong:
        with pytest.raises(ConfigError, match=message):
            env.restore(broken)
        assert (everything(base), env._shown, env._seen) == before
    assert isinstance(saved, CandidateSnapshot)
    env.restore(saved)
    other.close()
    env.close()


def repickled(env: Any, change: dict[str, Any], without: str = "") -> Any:
    """An environment from a pickle in which some attributes are others, or one is missing."""
    state = env.__getstate__()
    kept = cloudpickle.loads(state["cloudpickle"]) | change
    kept.pop(without, None)
    made = type(env).__new__(type(env))
    made.__setstate__({"cloudpickle": cloudpickle.dumps(kept)})
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": "9"}, "SoftwareEnv: max_steps: should be a whole number, not '9'"),
        ({"auto_test": None}, "SoftwareEnv: auto_test: should be true or false, not None"),
        ({"rewards": {"solved": 1.0}}, "SoftwareEnv: rewards: should be Rewards, not {'solved'"),
        ({"_np_random": 3}, "SoftwareEnv: _np_random: should be Generator, not 3"),
        ({"_state": "start"}, "SoftwareEnv: _state: should be Snapshot or null, not 'start'"),
        ({"_selection": ("doubel", None, None)}, "unknown task 'doubel'; did you mean 'double'?"),
        ({"_failure": "disk"}, "SoftwareEnv: _failure: should be FailureCode or null, not 'disk'"),
        (
            {"sandbox_config": "local"},
            "SoftwareEnv: sandbox_config: should be LocalSandboxConfig or",
        ),
    ],
)
def test_a_pickle_with_a_wrong_attribute_says_which(
    env: SoftwareEnv, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        repickled(env, change)
    assert message in str(caught.value)


def test_a_pickle_that_is_not_whole_says_so(env: SoftwareEnv) -> None:
    assert repickled(env, {}).save() == env.save()
    wrong = replace(env.save(), steps="1")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="snapshot: steps: should be a whole number"):
        repickled(env, {"_state": wrong})
    for name in ("max_steps", "_selection", "rewards", "_np_random"):
        with pytest.raises(ConfigError, match=f"SoftwareEnv: {name}: required, and missing"):
            repickled(env, {}, without=name)
    candidates = CandidateActions(SoftwareEnv(Tiny(), canvas=96))
    with pytest.raises(ConfigError, match="CandidateActions: _seen: should be frozenset, not"):
        repickled(candidates, {"_seen": ["a"]})
    made = SoftwareEnv.__new__(SoftwareEnv)
    for state in (None, {}, {"cloudpickle": b""}, {"cloudpickle": b"cnone\nno\n."}):
        with pytest.raises(ConfigError, match="pickle of SoftwareEnv: cannot be read: "):
            made.__setstate__(state)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="should hold attributes by name, not 3"):
        made.__setstate__({"cloudpickle": pickle.dumps(3)})
