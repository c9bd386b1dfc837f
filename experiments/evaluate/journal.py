"""The journal of a scoring: each task's record, appended as it lands, so that a scoring goes on.

`scores/score.jsonl` has a first line that says what is scored, then a line for each record. A line
that was cut off, because the process was killed in the middle or the disk was full, is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hrmgym.envs.showing import showable
from hrmgym.errors import DataError
from hrmgym.experiments.evaluate.records import TaskRecord
from hrmgym.experiments.workers import Worker, work_through

_FORMAT = 2
_ADAPTER = TypeAdapter(TaskRecord)


Item = TypeVar("Item")
#: Called with each new record, in any order, and with the number of tasks to do.
OnTask = Callable[[TaskRecord, int], None]


class Journal:
    """Records on disk. Opening makes the file, or reads the one that is there.

    Args:
        path: The file.
        about: What is scored, as plain data; a journal about something else is refused.
        tasks: Ids that records may have.

    Raises:
        DataError: The file is no journal, or not one about this.
        OSError: It cannot be written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], tasks: Sequence[str]) -> None:
        self.path = path
        self.done: dict[str, TaskRecord] = {}
        """Task -> its last record."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        header = {"format": _FORMAT, **json.loads(json.dumps(about))}
        if lines:
            self._check_header(lines[0], header)
            known = set(tasks)
            for number, line in enumerate(lines[1:], start=2):
                result = self._read(number, line)
                if result.task not in known:
                    raise DataError(
                        f"{path}:{number}: task {showable(result.task)!r} is not scored here"
                    )
                self.done[result.task] = result
        if whole < len(data):
            os.truncate(path, whole)
        if not lines:
            self._write(json.dumps(header))

    def append(self, result: TaskRecord) -> None:
        """Writes one result; it is on the disk when this returns.

        Raises:
            OSError: It cannot be written; the file is as it was.
        """
        self._write(json.dumps(_ADAPTER.dump_python(result, mode="json"), allow_nan=False))
        self.done[result.task] = result

    def _write(self, line: str) -> None:
        # One write by number, so that no buffer holds half a line for a later flush.
        data = line.encode() + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            before, written = os.fstat(handle).st_size, 0
            try:
                while written < len(data):
                    written += os.write(handle, data[written:])
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, before)
                raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        finally:
            os.close(handle)

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.path}:{number}: not JSON: {showable(str(error))}") from None
        if not isinstance(found, dict):
            raise DataError(
                f"{self.path}:{number}: should be an object, not {type(found).__name__}"
            )
        return found

    def _check_header(self, line: bytes, wanted: Mapping[str, Any]) -> None:
        found = self._parse(1, line)
        for key, value in wanted.items():
            if key not in found:
                raise DataError(
                    f"{self.path}:1: {key}: missing; the first line says what is scored"
                )
            if found[key] != value:
                raise DataError(
                    f"{self.path}:1: {key}: results of {_short(found[key])}, where it is "
                    f"{_short(value)} now; start a new scoring"
                )

    def _read(self, number: int, line: bytes) -> TaskRecord:
        data = self._parse(number, line)
        try:
            return _ADAPTER.validate_json(json.dumps(data, allow_nan=False), strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise DataError(f"{self.path}:{number}: {showable(where)}: {fault['msg']}") from None
        except ValueError as error:  # NaN and the infinities, which JSON has not
            raise DataError(f"{self.path}:{number}: {error}") from None


def _short(value: Any) -> str:
    text = showable(json.dumps(value))
    return text if len(text) <= 80 else text[:77] + "..."


def gather(
    worker: Worker[Item, TaskRecord],
    items: Sequence[tuple[str, Item]],
    workers: int,
    on_task: OnTask | None = None,
    journal: Journal | None = None,
) -> list[TaskRecord]:
    """Works through items, but for those that the journal has a verdict on.

    Args:
        worker: Does the work.
        items: Task and item, in the order of the results.
        workers: Processes.
        on_task: Called with each new result, in any order, and with the number of items to do.
        journal: Gets each new result, before `on_task` does.

    Returns:
        The results there are, in the order of `items`: all, unless it was interrupted.

    Raises:
        WorkerError: A worker's process has died.
        OSError: The journal cannot be written.
    """
    done: dict[int, TaskRecord] = {}
    if journal is not None:
        # A sandbox that failed is no verdict; and it may have failed for what ended the scoring.
        known = {task: one for task, one in journal.done.items() if not one.failures}
        done = {index: known[task] for index, (task, _) in enumerate(items) if task in known}
    left = [index for index in range(len(items)) if index not in done]

    def note(number: int, result: TaskRecord) -> None:
        if journal is not None:
            journal.append(result)
        done[left[number]] = result
        if on_task is not None:
            on_task(result, len(left))

    work_through(worker, [items[index][1] for index in left], workers, note)
    return [done[index] for index in sorted(done)]
