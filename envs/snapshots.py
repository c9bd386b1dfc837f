"""Whether a snapshot is one: what `restore` makes sure of before it changes anything.

Snapshots come from other processes, files and older versions of the package, and people change
their fields with `dataclasses.replace`. A snapshot with a wrong field is refused with the field's
name; the environment then is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from math import inf, isfinite, nan
from typing import Any, get_args
from weakref import WeakValueDictionary

import numpy as np
from gymnasium import spaces

from hrmgym.envs.benchmark import Benchmark, find_task
from hrmgym.envs.blobs import FILE, FOLDER, LINK, Blob, Entry
from hrmgym.envs.outcome import FailureCode, Outcome, Status
from hrmgym.envs.rewards import Rewards
from hrmgym.envs.sandboxes.config import SandboxConfig
from hrmgym.envs.state import Cursor, Snapshot
from hrmgym.envs.task import Task
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError, UnknownNameError, first_line
from hrmgym.jsonfile import shown

#: What a pickle of a `SoftwareEnv` holds; `_packed` says why there is a snapshot.
PICKLED: dict[str, type | tuple[type, ...]] = {
    "_state": (Snapshot, type(None)),
    "_selection": tuple,
    "_benchmark_name": (tuple, type(None)),
    "_np_random": np.random.Generator,
    "_done": bool,
    "_success": bool,
    "_failure": (FailureCode, type(None)),
    "_started_s": (int, float),
    "visible_cpu_s": (int, float),
    "max_steps": int,
    "max_test_runs": int,
    "max_seconds": (int, float, type(None)),
    "auto_test": bool,
    "auto_submit": bool,
    "keep_edits": str,
    "render_mode": (str, type(None)),
    "rewards": Rewards,
    "sandbox_config": get_args(get_args(SandboxConfig)[0]),
    "observation_space": spaces.Space,
    "action_space": spaces.Space,
}
#: Snapshots that are known to be right, by id: search goes back to the same ones again and again.
_sound: WeakValueDictionary[int, Snapshot] = WeakValueDictionary()
_Check = Callable[[Any], str]
"""Value -> what is wrong with it, "" where nothing is."""


def sound(snapshot: Snapshot) -> Snapshot:
    """The snapshot, which is known from now on to have fields of the right kinds."""
    _sound[id(snapshot)] = snapshot
    return snapshot


def check_snapshot(
    snapshot: object, benchmark: Benchmark, generator: np.random.BitGenerator, task: Task | None
) -> Task:
    """The task that a snapshot is of.

    Args:
        snapshot: What should be a snapshot.
        benchmark: The benchmark that it should be of.
        generator: One of the kind whose state it should hold; it stays as it is.
        task: A task of the benchmark that it may be of: then no other one is looked for.

    Raises:
        ConfigError: It is no snapshot of this benchmark's data; with the field, and what it holds.
    """
    if not isinstance(snapshot, Snapshot):
        raise ConfigError(
            f"restore takes a snapshot that save has made, got {type(snapshot).__name__}"
        )
    if id(snapshot) not in _sound:
        for name, check in _FIELDS.items():
            try:
                wrong = check(getattr(snapshot, name))
            except AttributeError:
                wrong = "missing: it was made by another version of hrmgym"
            if wrong:
                raise ConfigError(f"snapshot: {name}: {wrong}")
        for number, (files, _) in enumerate(snapshot.undo):
            if files.base_id != snapshot.files.base_id:
                raise ConfigError(f"snapshot: undo: {number}: changes of another base than files")
        sound(snapshot)
    if snapshot.benchmark != benchmark.name:
        raise ConfigError(
            f"the snapshot is of benchmark {snapshot.benchmark!r}, "
            f"this environment plays {benchmark.name!r}"
        )
    if task is None or task.id != snapshot.task:
        try:
            task = find_task(benchmark, snapshot.task)
        except UnknownNameError as error:
            raise ConfigError(f"snapshot: task: {error}") from None
    if task.workspace.base().id != snapshot.files.base_id:
        raise ConfigError(
            f"the snapshot's task {snapshot.task!r} began with other files than it does here: "
            "both need the same version of the benchmark's data"
        )
    scratch = _scratch(type(generator))
    try:
        scratch.state = dict(snapshot.rng)
    except Exception as error:  # numpy raises whatever the value leads to
        raise ConfigError(
            f"snapshot: rng: no state of a {type(generator).__name__}: {first_line(error)}"
        ) from None
    return task


def check_seen(seen: object) -> None:
    """Makes sure that `CandidateSnapshot.seen` is what it should be.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(seen, frozenset) or not all(isinstance(key, str) for key in seen):
        raise ConfigError(f"snapshot: seen: should be a frozenset of keys, not {shown(seen)}")


@cache
def _scratch(kind: type[np.random.BitGenerator]) -> Any:
    """A generator whose state may be set to anything."""
    return kind(0)


# --- the fields ----------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else f"should be text, not {shown(value)}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool | np.bool_) else f"should be a bool, not {shown(value)}"


def _whole(least: int) -> _Check:
    def check(value: Any) -> str:
        if isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least:
            return ""
        return f"should be a whole number of at least {least}, not {shown(value)}"

    return check


def _number(low: float, high: float) -> _Check:
    def check(value: Any) -> str:
        kinds = int | float | np.integer | np.floating
        try:
            number = (
                float(value) if isinstance(value, kinds) and not isinstance(value, bool) else nan
            )
        except OverflowError:
            number = inf
        if low <= number <= high and isfinite(number):
            return ""
        span = f"from {low:g} to {high:g}" if isfinite(high) else f"of at least {low:g}"
        return f"should be a number {span}, not {shown(value)}"

    return check


def _failure(value: Any) -> str:
    if value is None or isinstance(value, FailureCode):
        return ""
    return f"should be None or a FailureCode, not {shown(value)}"


def _files(value: Any) -> str:
    if not isinstance(value, Files):
        return f"should be Files, not {shown(value)}"
    if not isinstance(value.base_id, str) or not isinstance(value.changes, Mapping):
        return "Files without a base or changes"
    for path, entry in value.changes.items():
        if not isinstance(path, str):
            return f"changes: paths are text, not {shown(path)}"
        if entry is None:
            continue
        right = isinstance(entry, Entry) and isinstance(entry.mode, int)
        if not right or (entry.kind, type(entry.content)) not in _CONTENTS:
            return f"changes: {shown(path)}: should be an Entry or None, not {shown(entry)}"
    return ""


def _cursor(value: Any) -> str:
    if not isinstance(value, Cursor):
        return f"should be a Cursor, not {shown(value)}"
    if wrong := _text(value.path):
        return f"path: {wrong}"
    wrong = _whole(0)(value.window)
    return f"window: {wrong}" if wrong else ""


def _tests(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"should map ids to statuses, not {shown(value)}"
    for name, status in value.items():
        if not isinstance(name, str) or not isinstance(status, Status):
            return f"{shown(name)}: should be the Status of a test, not {shown(status)}"
    return ""


def _names(value: Any) -> str:
    if isinstance(value, frozenset) and all(isinstance(one, str) for one in value):
        return ""
    return f"should be a frozenset of ids, not {shown(value)}"


def _outcome(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, Outcome):
        return f"should be an Outcome or None, not {shown(value)}"
    return _first_wrong(value, _OUTCOME)


def _undo(value: Any) -> str:
    if not isinstance(value, tuple):
        return f"should be a tuple, not {shown(value)}"
    for number, step in enumerate(value):
        if not isinstance(step, tuple) or len(step) != 2:
            return f"{number}: should be Files and an Outcome or None, not {shown(step)}"
        if wrong := _files(step[0]) or _outcome(step[1]):
            return f"{number}: {wrong}"
    return ""


def _mapping(value: Any) -> str:
    return "" if isinstance(value, Mapping) else f"should be a mapping, not {shown(value)}"


def _first_wrong(value: object, checks: Mapping[str, _Check]) -> str:
    for name, check in checks.items():
        if wrong := check(getattr(value, name)):
            return f"{name}: {wrong}"
    return ""


_CONTENTS = [(FILE, Blob), (LINK, str), (FOLDER, str)]
_OUTCOME: dict[str, _Check] = {
    "tests": _tests,
    "uncounted": _names,
    "message": _text,
    "path": _text,
    "line": _whole(0),
    "cpu_s": _number(0, inf),
    "wall_s": _number(0, inf),
    "failure": _failure,
    "killed": _flag,
}
_FIELDS: dict[str, _Check] = {
    "benchmark": _text,
    "task": _text,
    "files": _files,
    "cursor": _cursor,
    "outcome": _outcome,
    "passing": _number(0, 1),
    "output": _text,
    "undo": _undo,
    "steps": _whole(0),
    "test_runs": _whole(0),
    "done": _flag,
    "is_success": _flag,
    "failure": _failure,
    "exit_code": _whole(-1),
    "elapsed_s": _number(0, inf),
    "rng": _mapping,
}
assert {field.name for field in fields(Snapshot)} == set(_FIELDS)
