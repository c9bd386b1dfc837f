"""Kinds of tests: an open list, one module a kind.

A kind of your own is a subclass of `TestSpec` (the data of a task) whose `kind` is its name, a
subclass of `TestKind` (what is done with it), and one line:

    register_test_kind("mine", "my_package.kinds:MyKind")

Put that line into the module that holds your benchmark, so that worker processes come by it too; or
let `kind` be `"my_package.kinds:MyKind"` itself, which needs no registration.
"""

from __future__ import annotations

from hrmgym.envs.kinds import (
    SHIPPED,
    Mode,
    TestKind,
    kind_named,
    kind_names,
    kind_of,
    register_test_kind,
)

__all__ = [
    "SHIPPED",
    "Mode",
    "TestKind",
    "kind_named",
    "kind_names",
    "kind_of",
    "register_test_kind",
]
