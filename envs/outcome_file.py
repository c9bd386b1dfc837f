"""What edits of a task came to, kept in a file that several scores share.

Scores of several orders of the same legal edits run the same programs again and again. With a file
of outcomes each is run once, by whichever run comes to it first; it still counts as a test run of
every other. What is kept is kept for the very code that it was found with: this package's, this
Python's, the benchmark's version, the task's files, tests and limits, the kind of sandbox. A
sandbox's failure is no outcome, and is never kept.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hrmgym.envs.edits.screen import Coverage, Screened
from hrmgym.envs.outcome import Outcome
from hrmgym.envs.outcome_cache import describe
from hrmgym.envs.workspace import Files
from hrmgym.errors import DataError

if TYPE_CHECKING:
    from hrmgym.envs.software import SoftwareEnv

Found = TypeVar("Found", Screened, Outcome, Coverage)
_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Screened, Outcome, Coverage)
}
_WAIT_S = 60.0  # for another process that is writing
_MADE = """
create table if not exists outcomes (
    task text not null, how text not null, files text not null, cpu_s real not null,
    found text not null, primary key (task, how, files, cpu_s)
) without rowid
"""


class OutcomeFile:
    """Outcomes of many tasks in one SQLite file, which is made where there is none.

    Several processes may use it at once, each with an object of its own, and each may be killed at
    any time: an outcome is in it wholly or not at all.

    Args:
        path: The file; its folder has to be there.

    Raises:
        DataError: it cannot be written, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Each statement is one transaction. A process that is killed loses nothing of what it
            # wrote; a machine that loses its power, at most the last outcomes.
            self._database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            with suppress(sqlite3.OperationalError):  # another process is just opening it
                self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.execute(_MADE)
        except sqlite3.Error as error:
            raise DataError(f"{path}: no file of outcomes can be had there: {error}") from None

    def of(self, env: SoftwareEnv) -> TaskOutcomes:
        """What is kept of edits of the state that an environment is in."""
        task, benchmark = env.task, env.benchmark
        sandbox = env.sandbox_config.model_copy(update={"stages": ()})  # each has its own limit
        about = (
            *(_code(), benchmark.name, benchmark.version, task.id, env.state.files.key),
            sandbox.model_dump_json(),
            *(repr(one) for one in (task.limits, task.environment, task.editable)),
            sorted(task.reference.items()),  # a test that it skips does not count
            *(repr(describe(tests)) for tests in (task.visible_tests, task.hidden_tests)),
        )
        return TaskOutcomes(self, hashlib.sha256(json.dumps(about).encode()).hexdigest())

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def read(self, task: str) -> dict[tuple[str, str, float], str]:
        """All that is kept of a task: how, the files' key and the limit -> JSON."""
        rows = self._ask("select how, files, cpu_s, found from outcomes where task = ?", task)
        return {(how, files, cpu_s): found for how, files, cpu_s, found in rows}

    def write(self, task: str, how: str, files: str, cpu_s: float, found: str) -> None:
        """Keeps an outcome, unless another process has kept one."""
        values = task, how, files, cpu_s, found
        self._ask("insert or ignore into outcomes values (?, ?, ?, ?, ?)", *values)

    def _ask(self, what: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(what, values).fetchall()
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: outcomes cannot be kept there: {error}") from None


class TaskOutcomes:
    """What is kept of edits of one task, as it was when this was made.

    Args:
        file: Where.
        task: Which, as `OutcomeFile.of` names it.
    """

    def __init__(self, file: OutcomeFile, task: str) -> None:
        self._file, self._task = file, task
        self._known = file.read(task)

    def recall(self, how: str, files: Files, cpu_s: float, kind: type[Found]) -> Found | None:
        """What is kept of a workspace, if anything is.

        Args:
            how: How it was found, as `keep` was told.
            files: The workspace.
            cpu_s: Under which limit, in CPU seconds.
            kind: What it is.

        Raises:
            DataError: it is broken.
        """
        text = self._known.get((how, files.key, cpu_s))
        if text is None:
            return None
        try:
            return _ADAPTERS[kind].validate_json(text)  # type: ignore[no-any-return]
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise DataError(
                f"{self._file.path}: an outcome is broken: {where}: {fault['msg']}; remove the file"
            ) from None

    def keep(self, how: str, files: Files, cpu_s: float, found: Found) -> None:
        """Keeps what was found, but for a sandbox's failure, which says nothing; see `recall`.

        Raises:
            DataError: it cannot be written.
        """
        if found.why if isinstance(found, Coverage) else found.failure is not None:
            return
        text = _ADAPTERS[type(found)].dump_json(found).decode()
        self._file.write(self._task, how, files.key, cpu_s, text)


@cache
def _code() -> str:
    """Digest of what could change an outcome beside the task: this package's code, and Python's."""
    digest = hashlib.sha256(platform.python_version().encode())
    with resources.as_file(resources.files("hrmgym.envs")) as folder:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"\0{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
