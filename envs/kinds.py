"""Kinds of tests: what one has to say of itself, and the open list of them.

The kinds that ship are in `hrmgym.envs.testkinds`, which says how to add one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from hrmgym.envs.testspecs import TestSpec
from hrmgym.registry import Registry, a_class_of

if TYPE_CHECKING:
    from hrmgym.envs.outcome import Outcome
    from hrmgym.envs.sandboxes.bench import Bench
    from hrmgym.envs.sandboxes.verdicts.screens import Plan
    from hrmgym.envs.task import Limits
    from hrmgym.envs.testkinds.fields import TestsLine

#: Where tests run, seen from the code that they test. What that code can forge follows from it.
#:
#: - "apart": expected values and verdict are out of the tested code's reach.
#: - "together": one process runs both, which the tested code can fool.
#: - "harness": one command decides, which may let the tested code do anything.
Mode = Literal["apart", "together", "harness"]

S = TypeVar("S", bound=TestSpec)


class TestKind(ABC, Generic[S]):
    """How tests of one kind are read from a task file, run, shown, and turned into statuses.

    Subclasses are made without arguments, once per process, and keep nothing of a run. `run` and
    `line` have to be said; the other defaults promise nothing that a kind might not keep.
    """

    __test__: ClassVar[bool] = False  # not a pytest class

    line: ClassVar[type[TestsLine]]
    """What a task file may say of such tests: an object with a `kind` and these fields."""

    @abstractmethod
    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: S, limits: Limits
    ) -> Outcome:
        """Runs tests, and makes statuses of what came out.

        Args:
            bench: Where; see `hrmgym.envs.sandboxes.bench.Bench`.
            files: All that the workspace is to hold, which may come from an attacker.
            tests: What to run.
            limits: What foreign code may use.

        Returns:
            A status for each of `tests.test_ids`. What the tested code can write proves nothing by
            itself: what is not known to have passed is `MISSING`.

        Raises:
            FilesUnfitError: The files cannot be laid out because of what they are.
            OSError: The run could not be made.
        """

    def mode(self, tests: S, *, keeps_apart: bool) -> tuple[Mode, str]:
        """Where tests run, and in one line why they do not run apart; nothing is run for it.

        Args:
            tests: The tests.
            keeps_apart: Whether the sandbox can run them in another process than the code.
        """
        return "harness", f"tests of kind {tests.kind!r} decide by themselves"

    def shown(self, tests: S) -> str:
        """What an agent is told of its visible tests before it runs them; empty for nothing.

        What they expect should not be in it.
        """
        return ""

    def in_order(self, tests: S) -> tuple[Hashable, tuple[str, ...]] | None:
        """What all tests of a set share, and each test as a text that tells it from any other.

        Only for tests that run in the order of their ids, each with the same outcome whatever
        follows it: then a run of some is remembered as a run of the first of them, too. None for
        all others.
        """
        return None

    def screen(self, files: Mapping[str, str], tests: S, path: str) -> Plan | str:
        """How these tests can be tried on many texts of one file in one process, or why not.

        What a screen says is no verdict, but its kind has to promise that it says the same as an
        ordinary run wherever the tested code does not cheat. By default there is none.

        Args:
            files: The untouched workspace.
            tests: The tests, visible ones always.
            path: The file whose texts are to be tried.
        """
        return f"tests of kind {tests.kind!r} have no screen"


_KINDS: Registry[type[TestKind[Any]]] = Registry(
    "kind of tests", "a TestKind class", a_class_of(TestKind)
)


def register_test_kind(name: str, entry_point: str) -> None:
    """Adds a kind of tests; see `Registry.register`."""
    _KINDS.register(name, entry_point)


def kind_names() -> tuple[str, ...]:
    """Names of all registered kinds."""
    return tuple(_KINDS)


@cache
def kind_named(name: str) -> TestKind[Any]:
    """The kind of that name, or of that `module:Class`; see `Registry.load`."""
    return _KINDS.load(name)()


def kind_of(tests: TestSpec) -> TestKind[Any]:
    """The kind of these tests.

    Raises:
        TypeError: Their class has none, so that nothing can be done with them.
        UnknownNameError: It is not registered.
    """
    if not tests.kind:
        raise TypeError(f"cannot run tests of type {type(tests).__name__}: it says no kind")
    return kind_named(tests.kind)


#: Names of the kinds that ship.
SHIPPED = ("calls", "stdio", "pytest", "command", "harness")
for _name in SHIPPED:
    register_test_kind(_name, f"hrmgym.envs.testkinds.{_name}:{_name.title()}")
