"""What the tests of sandboxes share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from swerex.runtime.abstract import Command

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.local.runtime import LocalRuntime
from hrmgym.envs.sandboxes.verdicts import calltests
from hrmgym.envs.task import CallCase, CallTests, Limits

#: Short enough for tests that wait for them, long enough for a busy machine.
QUICK = Limits(cpu_s=0.5, wall_s=5.0, memory_mb=256, processes=16, output_kb=16, file_mb=8)
#: For programs that start an interpreter of their own.
QUICK_PROGRAM = Limits(cpu_s=10, wall_s=20.0, memory_mb=256, processes=32, output_kb=16, file_mb=8)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One started sandbox for all tests of a file: each must leave it usable."""
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="session")
def quick() -> Limits:
    return QUICK


@pytest.fixture(scope="session")
def calls() -> Callable[..., CallTests]:
    """Makes call tests of `f.py`'s `f` from (arguments, expected) pairs."""

    def make(*pairs: tuple[tuple[Any, ...], Any], **options: Any) -> CallTests:
        cases = tuple(
            CallCase(id=f"case{i}", args=args, expected=expected, **options)
            for i, (args, expected) in enumerate(pairs)
        )
        return CallTests(path="f.py", function="f", cases=cases)

    return make


def command_lines() -> list[str]:
    """Command lines of every process of this machine."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has just ended
    return lines


@pytest.fixture(scope="session")
def running() -> Callable[[str], bool]:
    """Whether any process of this machine has the text in its command line."""

    def look(text: str) -> bool:
        return any(text in line for line in command_lines())

    return look


def _programs(*, isolate: bool) -> Iterator[Callable[[str], str]]:
    with asyncio.Runner() as loop:
        runtime = LocalRuntime(isolate=isolate)

        def run(code: str) -> str:
            command = Command(command=["python3", "-c", code], merge_output_streams=True)
            return loop.run(runtime.run_program(command, QUICK_PROGRAM)).stdout

        try:
            yield run
        finally:
            loop.run(runtime.close())


@pytest.fixture(scope="module")
def inside() -> Iterator[Callable[[str], str]]:
    """Runs a Python program in a sandbox; what it prints."""
    yield from _programs(isolate=True)


@pytest.fixture(scope="module")
def outside() -> Iterator[Callable[[str], str]]:
    """As `inside`, without namespaces."""
    yield from _programs(isolate=False)


@pytest.fixture(scope="module")
def inside_function() -> Iterator[Callable[[str], str]]:
    """What `f(0)` of a program returns, a text, in a run of calls in a sandbox."""
    with asyncio.Runner() as loop:
        runtime = LocalRuntime()

        def run(code: str) -> str:
            case = CallCase(id="case", args=(0,), expected="")
            tests = CallTests(path="f.py", function="f", cases=(case,))
            request = calltests.request({"f.py": code}, tests, QUICK_PROGRAM)
            reply = loop.run(runtime.run_calls(request, QUICK_PROGRAM))
            return str(json.loads(reply.lines)[1])

        try:
            yield run
        finally:
            loop.run(runtime.close())
