"""Running one loader on broken files, and what may come of it."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.errors import UserError
from hrmgym.tests.fuzzing.mutations import PLACES

#: Longest that one case may take, in seconds; it takes milliseconds.
_MOST_SECONDS = 30
#: More memory than any case may ask for, in bytes, beside what the process has mapped before.
_MOST_MEMORY = 3 << 30
#: A message is one line for a person.
_MOST_CHARACTERS = 2000

#: A message's place in a file: its line, or a key: `trainer.gamma:`, `key 'name'`, `Field.files`.
_PLACE = re.compile(r"^:\d+: |\bline \d+|[^\s:]+: .|\bkeys?\b|'\w+'|\bname is |holds no |not UTF-8")


@dataclass(frozen=True)
class Loader:
    """One thing that reads files of this project.

    Args:
        make: Writes a good file, or a folder with it, below a folder, and returns the file.
        mutate: Bytes of the good file -> bytes of a broken one.
        load: Reads the file; raises where it is broken.
        names: What a message must hold of the file; by default its name.
        kinds: Whether folders, links and nothing in place of the file are cases, too.
        line: Whether every message has a line, or a key: not for formats that have neither.
    """

    make: Callable[[Path], Path]
    mutate: Callable[[bytes, random.Random], bytes]
    load: Callable[[Path], object]
    names: str = ""
    kinds: bool = True
    line: bool = True


class Fault(AssertionError):
    """A loader did with a file what it must not do."""


def check(name: str, loader: Loader, path: Path, whole: bool = False) -> str:
    """Loads a file; "" or the error's message.

    Args:
        name: The loader's.
        loader: What reads the file.
        path: The file.
        whole: Whether the fault is the file as a whole, so that no line or key is to be named.

    Raises:
        Fault: It is neither read nor refused as a broken file of a user is.
    """
    try:
        with _limits(), warnings.catch_warnings():
            warnings.simplefilter("error")
            loader.load(path)
        return ""
    except UserError as error:
        message = str(error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Fault(f"{name}: {type(error).__name__}: {str(error)[:300]}") from error
    named = loader.names or path.name
    if named not in message and str(path) not in message:
        raise Fault(f"{name}: the message does not name {named!r}: {message[:300]}")
    if len(message) > _MOST_CHARACTERS:
        raise Fault(f"{name}: a message of {len(message)} characters: {message[:300]}...")
    rest = message.replace(str(path), "").replace(named, "", 1)
    if not rest.strip(": "):
        raise Fault(f"{name}: the message has no reason: {message}")
    if loader.line and not whole and not _PLACE.search(rest):
        raise Fault(f"{name}: the message has neither line nor key: {message[:300]}")
    return message


def cases(name: str, loader: Loader, folder: Path) -> Iterator[int]:
    """Plays the loader's cases, one after the other, for ever, and yields the number of each.

    Raises:
        Fault: See `check`; the message holds what repeats the case.
    """
    good = loader.make(_fresh(folder))
    data = good.read_bytes()
    check(name, loader, good)
    kinds = list(PLACES.items()) if loader.kinds else []
    for number, (kind, put) in enumerate(kinds):
        good.unlink()
        put(good)
        try:
            check(name, loader, good, whole=True)
        except Fault as fault:
            raise Fault(f"{fault}\n(the file is: {kind})") from fault.__cause__
        yield number
        good = loader.make(_fresh(folder))
    number = len(kinds)
    while True:
        broken = case(name, loader, data, number)
        good.write_bytes(broken)
        try:
            check(name, loader, good)
        except Fault as fault:
            again = f"repeat it: HRMGYM_FUZZ_CASE={name}:{number} pytest tests/fuzzing"
            raise Fault(f"{fault}\n{again}\n{broken[:3000]!r}") from fault.__cause__
        yield number
        number += 1


def case(name: str, loader: Loader, data: bytes, number: int) -> bytes:
    """The file of a case; equal arguments give equal files."""
    return loader.mutate(data, random.Random(f"{name}:{number}"))


def replay(name: str, loader: Loader, folder: Path, number: int) -> str:
    """Plays one case again, of a broken file; see `check`."""
    good = loader.make(_fresh(folder))
    good.write_bytes(case(name, loader, good.read_bytes(), number))
    return check(name, loader, good)


def play(name: str, loader: Loader, folder: Path, seconds: float, most: int | None = None) -> int:
    """Plays the cases of a loader until a time, or a number of them, is over; returns how many.

    The time counts from the first case on: good files of some loaders take a training to make.

    Raises:
        Fault: See `check`; the message holds what repeats the case. Or so few cases were played
            that it says nothing of the loader: less than one a second.
    """
    start, played = 0.0, 0
    for _ in cases(name, loader, folder):
        start = start or time.monotonic()
        played += 1
        if time.monotonic() > start + seconds or played == most:
            break
    if played < (seconds if most is None else most):
        raise Fault(f"{name}: only {played} cases in {seconds:g} s: what makes them so slow?")
    return played


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _limits() -> Iterator[None]:
    """A case that hangs, or asks for the machine's memory, fails in place of the machine."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"took more than {_MOST_SECONDS} s")

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + _MOST_MEMORY, hard))
    signal.alarm(_MOST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
        signal.signal(signal.SIGALRM, handler)
