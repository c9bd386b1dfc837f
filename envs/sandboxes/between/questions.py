"""What the tests may ask of the tested code. Runs inside the sandbox of the tests.

Every answer is the word of foreign code. Standard library only.
"""

from __future__ import annotations

import socket
from typing import Any, Literal, NoReturn

from hrmgym.envs.sandboxes.between import crossing
from hrmgym.envs.sandboxes.between.plain import Unfit


class Aborted(Exception):
    """What tested code raised in order to stop the tests."""


class NotApart(Exception):
    """A test does what cannot be done with the tested code in another process."""


class Questions(crossing.Exchange):
    """Asks the tested code, and keeps why a test cannot run apart.

    Args:
        sock: Connection to the tested code.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, 0)
        self.named: set[int] = set()
        """Classes that the tests have got by name."""
        self.lost = False
        self.broken = False
        """Whether the tested code has ever sent what nobody could read."""
        self.fault = ""
        """Why the present test cannot run apart, or what the tested code has sent instead of an
        answer."""
        self.blamed = ""
        """Whose doing it is that the present test cannot run apart: "tests" or "code"."""

    def refuse(self, what: str, blamed: Literal["tests", "code"] = "tests") -> NoReturn:
        """Have the present test be none that can run apart.

        Args:
            what: What the test does.
            blamed: "code" where the tested code can bring that about with any test.

        Raises:
            NotApart: Always.
        """
        if not self.fault:
            self.fault = f"the test {what}, which cannot be done from another process"
            self.blamed = blamed
        raise NotApart(self.fault)

    def ask_for(self, op: str, target: Any, *parts: Any) -> Any:
        """Have the tested code's process do something, and return or raise what it came to."""
        return self._ask([op, *self.packed(target, *parts)])[1]

    def _ask(self, head: list[Any]) -> tuple[str, Any]:
        if self.lost:
            raise crossing.Lost
        try:
            kind, value = self.ask(head)
        except crossing.Lost:
            self.lost = True
            raise
        except Unfit as error:
            self.lost = self.broken = True
            self.fault = f"the tested code's answer cannot be read: {error}"
            raise crossing.Lost from None
        if kind == "err":
            if not isinstance(value, BaseException):
                value = Aborted("no exception")
            raise value
        return kind, value

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function or a class."""
        return self.ask_for("call", target, args, tuple(kwargs.items()))

    def call_method(
        self, target: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call a method."""
        return self.ask_for("method", target, name, args, tuple(kwargs.items()))

    def attribute(self, target: Any, name: str) -> Any:
        """Read an attribute."""
        return self.ask_for("attr", target, name)

    def named_attribute(self, target: Any, name: str) -> Any:
        """Read an attribute of a module: the tests know it by name."""
        value = self.attribute(target, name)
        self.note_named(value)
        return value

    def note_named(self, value: Any) -> None:
        """Remember that the tests got this by name."""
        raise NotImplementedError

    def operate(self, target: Any, name: str, args: tuple[Any, ...]) -> Any:
        """Call a special method."""
        return self.ask_for("op", target, name, args)

    def compare(self, one: Any, other: Any) -> bool:
        """Whether two objects of the tested code say that they are equal."""
        return self.ask_for("equal", one, other) is True

    def following(self, target: Any) -> Any:
        """The next item of an iterator."""
        kind, value = self._ask(["next", *self.packed(target)])
        if kind == "stop":
            raise StopIteration(value)
        return value

    def bind(self, steps: list[tuple[str, tuple[str, ...]]]) -> list[Any]:
        """Import modules and names: for each module a tuple of ("ok", value), ("err", error)."""
        found = self._ask(["bind", *self.packed(tuple(steps))])[1]
        if not isinstance(found, tuple) or len(found) != len(steps):
            found = ()
        for (_, names), got in zip(steps, found, strict=False):
            well = isinstance(got, tuple) and all(
                isinstance(one, tuple) and len(one) == 2 and one[0] in ("ok", "err") for one in got
            )
            if not well or not (len(got) == 1 + len(names) or got[0][0] == "err"):
                break
            if not all(kind == "ok" or isinstance(value, BaseException) for kind, value in got):
                break
            for kind, value in got[1:]:
                if kind == "ok":
                    self.note_named(value)
        else:
            if found or not steps:
                return list(found)
        self.lost, self.fault = True, "the tested code's answer cannot be read: no imports"
        raise crossing.Lost
