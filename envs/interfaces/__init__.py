"""How a policy sees a task and acts on it."""

from __future__ import annotations

from hrmgym.envs.interfaces.base import TOOLS, Interface, RefusedError, ToolCall
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.interfaces.shell import ShellInterface
from hrmgym.errors import UnknownNameError

__all__ = [
    "TOOLS",
    "EditInterface",
    "Interface",
    "RefusedError",
    "ShellInterface",
    "ToolCall",
    "make_interface",
]

INTERFACES = ("edit", "shell")


def make_interface(name: str, canvas: int = 256) -> Interface:
    """The interface of that name.

    Args:
        name: `edit` or `shell`.
        canvas: L of the `edit` interface; the shell has no canvas.

    Raises:
        UnknownNameError: neither of the two.
    """
    if name == "edit":
        return EditInterface(canvas)
    if name == "shell":
        return ShellInterface()
    raise UnknownNameError("interface", name, INTERFACES)
