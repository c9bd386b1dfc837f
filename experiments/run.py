"""Run folders: everything that one run read and wrote, with what it takes to repeat it.

runs/<name>-<YYYYmmdd-HHMMSS>-<n>/
  config.yaml     the resolved experiment; it can be loaded again
  run.json        versions, machine, commit, command line, status
  lock            held by the process that trains here
  tensorboard/    event files
  checkpoints/    one folder for each checkpoint
  scores/         reports, with their times beside them
"""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import hrmgym
from hrmgym.config import expand_home, is_file, is_folder, named_path
from hrmgym.errors import ConfigError, DataError, did_you_mean
from hrmgym.experiments.evaluate.html import report_html
from hrmgym.experiments.evaluate.report import Report
from hrmgym.experiments.loader import load, resolved
from hrmgym.experiments.lock import Holder, holder, locked
from hrmgym.experiments.processes import this_process, works_here
from hrmgym.experiments.schema import Experiment
from hrmgym.jsonfile import check_keys, read_object, shown

Status = Literal["running", "finished", "interrupted", "stopped", "failed", "died"]

_STATUSES = get_args(Status)
#: What run.json says that others rely on; the rest is for people.
_FACTS: dict[str, type | tuple[type, ...]] = {
    "status": str,
    "start": str,
    "command": list,
    "versions": dict,
    "platform": str,
    "cpu": str,
    "process": (dict, type(None)),
    "overrides": (list, type(None)),
}
_LOCK = "lock"
_PACKAGES = ("torch", "gymnasium", "stable-baselines3", "sb3-contrib", "swe-rex", "numpy")


class RunFolder:
    """One run's folder. `create` makes a new one, the constructor opens one that exists.

    Raises:
        DataError: The folder is not a run folder.
        ConfigError: Its config.yaml is not legal any more.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(expand_home(path))
        self._locked = False
        for name in ("config.yaml", "run.json"):
            if not is_file(self.path / name):
                raise DataError(f"{self.path}: not a run folder: it has no {name}")
        self.experiment: Experiment = load(self.path / "config.yaml")

    @classmethod
    def create(
        cls, experiment: Experiment, root: str | os.PathLike[str] | None = None
    ) -> RunFolder:
        """A new folder for a run that starts now.

        Args:
            experiment: What is run.
            root: Folder of run folders; by default `HRMGYM_RUNS`, else `runs`.

        Raises:
            ConfigError: The folder cannot be made.
        """
        folder = Path(expand_home(root)) if root else named_path("HRMGYM_RUNS") or Path("runs")
        stem = f"{experiment.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        number = 1
        while True:
            path = folder / f"{stem}-{number}"
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                if not is_folder(folder):
                    raise ConfigError(f"runs folder {folder} is not a folder") from None
                number += 1
            except OSError as error:
                raise ConfigError(f"runs folder {folder}: {error.strerror}") from None
        for sub in ("tensorboard", "checkpoints", "scores"):
            (path / sub).mkdir()
        write_atomically(path / "config.yaml", resolved(experiment))
        write_json(path / "run.json", _facts(experiment))
        return cls(path)

    @property
    def tensorboard(self) -> Path:
        """Folder of the event files."""
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def scores(self) -> Path:
        """Folder of the reports."""
        return self.path / "scores"

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says.

        Raises:
            DataError: It is broken; the message names line or key.
        """
        path = self.path / "run.json"
        facts = read_object(path, DataError)
        wrong = check_keys(facts, _FACTS, path)
        if wrong:
            raise DataError(wrong)
        status = facts["status"]
        if status not in _STATUSES:
            near = did_you_mean(status, _STATUSES)
            raise DataError(f"{path}: status: unknown status {shown(status)}{near}")
        if not all(isinstance(word, str) for word in facts["command"]):
            raise DataError(f"{path}: command: should be a list of texts")
        return facts

    def override(self, overrides: Sequence[str]) -> None:
        """Changes the experiment of a run that goes on; what it was stays beside it.

        The old file is kept as `config-<n>.yaml`, and run.json says when it was replaced and by
        which overrides. Unless they are the trainer's alone, reports so far are kept in
        `scores/config-<n>/`: they tell of something else.

        Raises:
            ConfigError: An override is not legal.
        """
        changed = load(self.path / "config.yaml", overrides)
        earlier = self.facts.get("overrides") or ()
        number = 1 + len(earlier)
        if resolved(_but_trainer(changed)) != resolved(_but_trainer(self.experiment)):
            (self.scores / f"config-{number}").mkdir(exist_ok=True)
            for report in (*self.scores.glob("*.json"), *self.scores.glob("*.html")):
                report.rename(self.scores / f"config-{number}" / report.name)
        text = (self.path / "config.yaml").read_text(encoding="utf-8")
        write_atomically(self.path / f"config-{number}.yaml", text)
        write_atomically(self.path / "config.yaml", resolved(changed))
        self.experiment = changed
        entry = {"time": _now(), "overrides": list(overrides)}
        self.note(overrides=[*earlier, entry])

    def set_status(self, status: Status) -> None:
        """Writes the status, and the time of the end where it is one."""
        facts = self.facts | {"status": status, "end": None if status == "running" else _now()}
        if status == "running":
            facts |= {"process": this_process()}
        write_json(self.path / "run.json", facts)

    def note(self, **facts: Any) -> None:
        """Adds to what run.json says."""
        write_json(self.path / "run.json", self.facts | facts)

    @property
    def status(self) -> Status:
        """How the run is now: what run.json says, but `died` where that is `running` and no process
        works in it any more. A died or interrupted run can be resumed."""
        said: Status = self.facts["status"]
        if said != "running" or self.holder is not None:
            return said
        if not (self.path / _LOCK).exists() and works_here(self.facts.get("process")):
            return said
        return "died"

    @property
    def holder(self) -> Holder | None:
        """The process that trains in it now."""
        return holder(self.path / _LOCK)

    @contextmanager
    def locked(self, part: str = "") -> Iterator[None]:
        """Keeps other processes from working in the run for the block; may be nested.

        Args:
            part: Work that goes on beside the run's own (`finish`) has a lock of its own.

        Raises:
            ConfigError: Another process works in it; the message says which.
        """
        if self._locked:
            yield
            return
        with locked(self.path / (f"{_LOCK}-{part}" if part else _LOCK)):
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def write_report(self, name: str, report: Report) -> Path:
        """Writes `scores/<name>.json`, its times and the page: see `write_report`."""
        path = self.scores / f"{name}.json"
        write_report(path, report)
        return path


def _but_trainer(experiment: Experiment) -> Experiment:
    return experiment.model_copy(update={"trainer": None})


def write_report(path: Path, report: Report) -> None:
    """Writes a report, and beside it its times, `.timing.json`, and a page to read, `.html`.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.with_suffix(".timing.json"), report.timing_json())
        write_atomically(path.with_suffix(".html"), report_html(report.to_dict()))
        write_atomically(path, report.to_json())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None


def check_writable(path: Path) -> None:
    """Makes sure, before long work, that its result can be written.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader, or a crash, never meets half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def versions() -> dict[str, str | None]:
    """Versions of this package, Python, and what the results depend on; None: not installed."""
    found: dict[str, str | None] = {
        "hrmgym": hrmgym.__version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def cpu_name() -> str:
    """The processor's name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _facts(experiment: Experiment) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "status": "running",
        "start": _now(),
        "end": None,
        "process": this_process(),
        "seed": experiment.seed,
        "command": sys.argv,
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cpu_count": os.cpu_count(),
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from, and whether files differ from it."""
    here = Path(__file__).resolve().parent

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        # An installed package may lie inside somebody else's checkout: ask for this very file.
        ask("ls-files", "--error-unmatch", Path(__file__).name)
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Writes plain data as an indented JSON file."""
    write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
