"""Snapshots with fields of wrong kinds: what `restore` does with them."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.workspace import Files
from hrmgym.errors import ConfigError
from hrmgym.tests.fuzzing.fuzzing import Loader
from hrmgym.tests.fuzzing.mutations import VALUES, value_of
from hrmgym.tests.tiny import Tiny

#: Beside what other files are broken with: what a file cannot hold, and a person may put in.
_OBJECTS: tuple[Any, ...] = (
    object(),
    b"bytes",
    (),
    (1, 2),
    frozenset(),
    {3},
    1 + 2j,
    range(3),
    int,
)


def misfit(snapshot: Any, rng: random.Random) -> tuple[Any, str]:
    """A snapshot with one wrong field, at any depth, and the field's name in the snapshot."""
    name = rng.choice(fields(snapshot)).name
    value = getattr(snapshot, name)
    return _with(snapshot, name, broken(value, rng)), name


def broken(value: Any, rng: random.Random) -> Any:
    """Something else in the place of a value, or of something within."""
    inside = rng.random() < 0.6
    if inside and is_dataclass(value) and not isinstance(value, type):
        return misfit(value, rng)[0]
    if inside and isinstance(value, Files):
        made = Files(value.base_id, dict(value.changes), value.base)
        if rng.random() < 0.3:
            made.base_id = broken(made.base_id, rng)
        else:
            path = rng.choice([*made.changes, "new.py"])
            made.changes = {**made.changes, path: broken(made.changes.get(path), rng)}
        return made
    if inside and isinstance(value, tuple) and value:
        at = rng.randrange(len(value))
        parts = [*value[:at], broken(value[at], rng), *value[at + 1 :]]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if inside and isinstance(value, dict):
        return value_of(value, rng)
    return copy.copy(rng.choice(VALUES + _OBJECTS))


def _with(holder: Any, name: str, value: Any) -> Any:
    try:
        return replace(holder, **{name: value})
    except (AttributeError, TypeError):  # some see to their fields as they are made
        made = copy.copy(holder)
        object.__setattr__(made, name, value)
        return made


@cache
def _env(candidates: bool) -> SoftwareEnv | CandidateActions:
    env = SoftwareEnv(Tiny(), canvas=96, max_steps=9)
    made = CandidateActions(env, k=32) if candidates else env
    made.reset(seed=0, options={"task": "double"})
    # An edit that helps nothing, so that there is something to undo.
    made.step(int(made.action_masks().argmax()) if candidates else _edit(env))
    return made


def _edit(env: SoftwareEnv) -> Any:
    return env.interface.toward(env.state, {"double.py": "def double(x):\n    return x - 2\n"})


def _saved(candidates: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "snapshot.pickle"
        path.write_bytes(pickle.dumps(_env(candidates).save()))
        return path

    return make


def _misfit(data: bytes, rng: random.Random) -> bytes:
    return pickle.dumps((pickle.loads(data), rng.random()))  # broken as it is restored


def _restore(candidates: bool) -> Callable[[Path], object]:
    def load(path: Path) -> object:
        env, broken = _env(candidates), pickle.loads(path.read_bytes())
        if isinstance(broken, tuple):
            broken, _ = misfit(broken[0], random.Random(broken[1]))
        saved, base = env.save(), env.unwrapped
        assert isinstance(base, SoftwareEnv)
        try:
            found = env.restore(broken)
        except ConfigError:
            assert env.save() == saved, "the environment has changed"
            raise
        done = base._done
        # What is taken for a snapshot is one: the episode can go on from it.
        played = None if done else env.step(env.action_space.sample())
        env.restore(saved)
        return found, played

    return load


SNAPSHOTS: dict[str, Loader] = {
    name: Loader(_saved(one), _misfit, _restore(one), names="snapshot", kinds=False, line=False)
    for name, one in (("snapshot", False), ("candidate snapshot", True))
}
