"""From an experiment file and overrides to a checked `Experiment`.

A file is a YAML document with the keys of `hrmgym.experiments.schema.Experiment` and two more:

- `extends: other.yaml` starts from another file, named relative to this one, or from a shipped
  experiment. Blocks are merged key by key; lists and plain values are replaced; a block that names
  another kind replaces the whole block.
- `sweep: {trainer.gamma: [0.9, 0.99], seed: [0, 1]}` stands for one experiment per combination.

Overrides are `dotted.key=value`, with the value read as YAML, and are merged like a last file.
"""

from __future__ import annotations

import copy
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hrmgym import yaml12
from hrmgym.config import Path as KeyPath
from hrmgym.config import expand_home, is_file, show
from hrmgym.envs.sandboxes.config import SandboxConfig
from hrmgym.envs.showing import is_utf8
from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.experiments.messages import message
from hrmgym.experiments.schema import TAGS, Experiment


def load(path_or_name: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Experiment:
    """The one experiment that a file describes.

    Args:
        path_or_name: A file, or a shipped experiment (`demo`, `configs/demo.yaml`).
        overrides: `dotted.key=value` each; the last of two equal keys wins.

    Raises:
        ConfigError: The file or an override is not legal, or the file has a sweep.
    """
    layers = _layers(path_or_name, overrides)
    if layers.sweep:
        key = next(iter(layers.sweep))
        raise ConfigError(
            f"{layers.origins['sweep', key]}: sweep.{key}: one experiment is wanted here, and a "
            "sweep describes several; drop it with sweep=null"
        )
    return layers.experiment()


def expand(path_or_name: str | os.PathLike[str], overrides: Sequence[str] = ()) -> list[Experiment]:
    """Every experiment that a file describes: one, or one for each combination of its sweep.

    Each has the swept values in its name. Arguments and errors are those of `load`.
    """
    layers = _layers(path_or_name, overrides)
    return [layers.experiment(choice) for choice in layers.choices()]


def load_sandbox(overrides: Sequence[str]) -> SandboxConfig:
    """The sandbox that overrides alone describe: `sandbox=docker`, `sandbox.image=python:3.12`.

    Raises:
        ConfigError: An override is not legal, or is not about the sandbox.
    """
    for override in overrides:
        if override.partition("=")[0].split(".")[0] != "sandbox":
            raise ConfigError(
                f"override {override!r}: should be sandbox=TYPE or sandbox.KEY=VALUE here"
            )
    return load(shipped()["base"], overrides).sandbox


def resolved(experiment: Experiment) -> str:
    """The experiment as one YAML file without `extends` or `sweep`; loading it gives it back."""
    data = experiment.model_dump(mode="json")
    if experiment.policy.kind == "hrm" and experiment.policy.checkpoint is not None:
        # The shape is the checkpoint's; defaults written out would contradict it.
        data["policy"] = experiment.policy.model_dump(mode="json", exclude_unset=True)
    return yaml12.dump(data)


def shipped() -> dict[str, Path]:
    """The experiments that come with the package: name -> file."""
    folder = Path(str(resources.files("hrmgym.experiments"))) / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find(path_or_name: str | os.PathLike[str]) -> Path:
    """The file of an experiment: an existing path, else a shipped experiment of that name.

    Raises:
        ConfigError: There is neither; the message holds the nearest shipped name.
    """
    path, known = Path(expand_home(path_or_name)), shipped()
    if is_file(path):
        return path
    if path.parent.parts in ((), ("configs",), ("experiments", "configs")):
        name = path.name.removesuffix(".yaml")
        if name in known:
            return known[name]
    raise ConfigError(f"no experiment {str(path)!r}{did_you_mean(path.stem, known)}")


@dataclass
class _Layers:
    """What files and overrides said, merged, and where each value came from."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    @property
    def sweep(self) -> dict[str, list[Any]]:
        return self.data.get("sweep") or {}

    def add(self, data: dict[str, Any], origins: dict[KeyPath, str]) -> None:
        """Merges one layer over the ones below."""
        for key, tag in TAGS.items():
            if isinstance(data.get(key), str):  # one word stands for a block, and replaces it
                data[key] = {tag: data[key]}
                self._forget((key,))
                self.data.pop(key, None)
                origins[key, tag] = origins[(key,)]
            elif None is not self._kind(self.data, key) != self._kind(data, key) is not None:
                self._forget((key,))
                self.data.pop(key)
        if "sweep" in data:
            data["sweep"] = _flat_sweep(data["sweep"], origins)
        self._merge(self.data, data, ())
        self.origins |= origins
        for path, where in origins.items():  # a block that an override begins is its own
            for count in range(1, len(path)):
                self.origins.setdefault(path[:count], where)

    def choices(self) -> Iterator[dict[str, Any]]:
        """Every combination of the swept values."""
        for values in itertools.product(*self.sweep.values()):
            yield dict(zip(self.sweep, values, strict=True))

    def experiment(self, choice: dict[str, Any] | None = None) -> Experiment:
        """The checked experiment, with the swept values of `choice`."""
        one = _Layers(copy.deepcopy(self.data), dict(self.origins))
        one.data.pop("sweep", None)
        for key, value in (choice or {}).items():
            origin = self.origins["sweep", key]
            one.add(_nested(key, value), _path_origins(key, value, origin))
        if choice and isinstance(one.data.get("name"), str):
            one.data["name"] += "".join(
                f"-{key.rpartition('.')[2]}={self._word(key, value)}"
                for key, value in choice.items()
            )
        try:
            return Experiment.model_validate(one.data)
        except ValidationError as error:
            raise ConfigError(message(error, Experiment, one.origins, one.data)) from None

    def _word(self, key: str, value: Any) -> str:
        """A swept value in a folder's name, or its place in the list where it is not one word."""
        text = show(value).strip("'\"")
        return (
            text if re.fullmatch(r"[A-Za-z0-9._+-]+", text) else str(self.sweep[key].index(value))
        )

    @staticmethod
    def _kind(data: dict[str, Any], key: str) -> Any:
        block = data.get(key)
        return block.get(TAGS[key]) if isinstance(block, dict) else None

    def _merge(self, below: dict[str, Any], above: dict[str, Any], path: KeyPath) -> None:
        for key, value in above.items():
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                self._merge(below[key], value, (*path, key))
            else:
                self._forget((*path, key))
                below[key] = value

    def _forget(self, path: KeyPath) -> None:
        """Drops the origins of a value that is replaced."""
        for known in [p for p in self.origins if p[: len(path)] == path]:
            del self.origins[known]


def _layers(path_or_name: str | os.PathLike[str], overrides: Sequence[str]) -> _Layers:
    layers = _Layers()
    path = find(path_or_name)
    _add_file(layers, path, ())
    layers.origins[()] = _display(path)
    for override in overrides:
        _add_override(layers, override)
    for key in layers.sweep:
        path_of_key = tuple(key.split("."))
        origin = layers.origins.get(path_of_key, "")
        if origin.startswith("override "):
            raise ConfigError(
                f"{origin}: {key} is swept in {layers.origins['sweep', key]}; override sweep.{key} "
                "instead, or drop the sweep with sweep=null"
            )
    return layers


def _add_file(layers: _Layers, path: Path, above: tuple[Path, ...]) -> None:
    """Adds the file that this one extends, then this one."""
    where = _display(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{where}: cannot be read: {reason}") from None
    data, lines = yaml12.parse(text, where)
    if not isinstance(data, dict):
        raise ConfigError(f"{where}:1: should be keys and values, not {show(data)}")
    origins = {key: f"{where}:{line}" for key, line in lines.items()}
    if "extends" in data:
        base, line = data.pop("extends"), origins.pop(("extends",))
        if not isinstance(base, str):
            raise ConfigError(f"{line}: extends: should be a file's name, not {show(base)}")
        beside = path.parent / expand_home(base)
        try:
            base_path = beside if is_file(beside) else find(base)
        except ConfigError as error:
            raise ConfigError(f"{line}: extends: {error}") from None
        chain = (*above, path.resolve())
        if base_path.resolve() in chain:
            raise ConfigError(f"{line}: extends: {base} leads back to itself")
        _add_file(layers, base_path, chain)
    layers.add(data, origins)


def _add_override(layers: _Layers, override: str) -> None:
    where = f"override {show(override, 200)}"
    if not is_utf8(override):
        raise ConfigError(f"{where}: not UTF-8")
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"{where}: should be key=value, for example trainer.gamma=0.9")
    if key.split(".")[0] == "extends":
        raise ConfigError(f"{where}: extends belongs in a file")
    value, _ = yaml12.parse(text, where, lines=False)
    layers.add(_nested(key, value), _path_origins(key, value, where))


def _nested(key: str, value: Any) -> dict[str, Any]:
    """`a.b`, 1 -> {a: {b: 1}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _path_origins(key: str, value: Any, where: str) -> dict[KeyPath, str]:
    """The origin of a dotted key and of each key in its value; blocks around it keep theirs."""
    origins: dict[KeyPath, str] = {}

    def visit(value: Any, path: KeyPath) -> None:
        origins[path] = where
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(inner, (*path, name))

    visit(value, tuple(key.split(".")))
    return origins


def _flat_sweep(sweep: Any, origins: dict[KeyPath, str]) -> dict[str, Any] | None:
    """A sweep block with one dotted key for each list; `origins` get entries for those keys."""
    if sweep is None:
        return None
    flat: dict[str, Any] = {}

    def visit(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                visit(inner, (*path, name))
            return
        key, origin = ".".join(path[1:]), origins[path]
        if not key or not isinstance(value, list) or not value:
            dotted = f"sweep.{key}" if key else "sweep"
            wanted = "a list of values" if key else "dotted keys with a list of values each"
            raise ConfigError(f"{origin}: {dotted}: should be {wanted}, not {show(value)}")
        elif key in flat:
            raise ConfigError(f"{origin}: sweep.{key}: repeated key")
        else:
            flat[key] = value
            origins["sweep", key] = origin

    visit(sweep, ("sweep",))
    return flat


def _display(path: Path) -> str:
    """A path as messages show it: relative to the working folder where it lies below."""
    full = Path(os.path.normpath(path.absolute()))
    return str(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)
