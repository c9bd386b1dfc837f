"""Calls a function of a package with plain values. Runs inside the sandbox only.

It lies at the root of the workspace, and `ASKED` is put in the place of the module and the name of
the function. Standard library only.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

ASKED = ("module", "function")
_MOST_ITEMS = 10_000


def ask(keywords: dict[str, Any], *arguments: Any) -> Any:
    """What the function returns; what it only goes through, as a list."""
    module, name = ASKED
    result = getattr(importlib.import_module(module), name)(*arguments, **keywords)
    return list(islice(result, _MOST_ITEMS)) if isinstance(result, Iterator) else result
