"""Whether code can leave anything behind in the process that runs it, told from its bytecode.

Code that stores no attribute of what is imported, and names nothing through which it could reach
the inside of other modules, changes only what it was given and what it makes itself. Of all other
code nothing is known: whoever runs it has to look afterwards. Standard library only.
"""

from __future__ import annotations

import ast
import opcode
from collections.abc import Collection
from types import CodeType

_STORE, _DELETE = opcode.opmap["STORE_ATTR"], opcode.opmap["DELETE_ATTR"]
_IMPORT, _EXTENDED = opcode.opmap["IMPORT_NAME"], opcode.opmap["EXTENDED_ARG"]
_MODULES = """
    __future__ abc bisect cmath collections copy dataclasses enum fractions functools heapq
    itertools json math numbers operator re statistics string sys textwrap typing unicodedata
"""
_NAMES = """
    breakpoint compile delattr eval exec getattr globals input locals open register setattr vars
    purge cache_clear f_back f_builtins f_globals f_locals tb_frame gi_frame cr_frame ag_frame
    modules meta_path path path_hooks settrace setprofile setswitchinterval addaudithook
    set_int_max_str_digits gi_code cr_code update_wrapper attrgetter methodcaller import_module
"""
_MARKED = """
    __name__ __init__ __main__ __doc__ __module__ __qualname__ __annotations__ __len__ __iter__
    __next__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __repr__ __str__ __bool__
    __contains__ __getitem__ __setitem__ __delitem__ __add__ __sub__ __mul__ __call__ __slots__
    __future__ __enter__ __exit__ __all__ __post_init__ __abs__ __neg__ __index__
"""
#: Modules without a state of their own that a function of theirs could change.
_STATELESS = frozenset(_MODULES.split())
#: Names by which code gets at the inside of something else, or at the machine.
_REACHING = frozenset(_NAMES.split())
#: Names with underscores around them that reach nothing.
_HARMLESS_MARKED = frozenset(_MARKED.split())

_known: set[str] = set()  # names that have been found to reach nothing


def is_harmless(code: CodeType, imports: Collection[str] = ()) -> bool:
    """Whether running this code, and what is in it, leaves other modules and the process alone.

    Args:
        code: The code.
        imports: Names that its module has of others; code that stores attributes and uses one of
            them may store one there.
    """
    names = code.co_names
    if names:  # else it stores no attribute and imports nothing
        if not _known.issuperset(names) and not _reach_nothing(names):
            return False
        raw = code.co_code
        operations = raw[::2]
        if (_STORE in operations or _DELETE in operations) and not set(imports).isdisjoint(names):
            return False
        if _IMPORT in operations and not _imports_stateless(code, raw):
            return False
    for constant in code.co_consts:
        if type(constant) is CodeType and not is_harmless(constant, imports):
            return False
    return True


def _reach_nothing(names: Collection[str]) -> bool:
    for name in names:
        if name in _REACHING or (name.startswith("__") and name not in _HARMLESS_MARKED):
            return False
        _known.add(name)
    return True


def imports_of(text: str) -> frozenset[str]:
    """Names that a module's text gives to what it imports."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    found = (
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    )
    return frozenset(found)


def imported(code: CodeType) -> set[str]:
    """Names of the modules that code imports, with those that its functions do."""
    raw = code.co_code
    found = {code.co_names[raw[at + 1]] for at in _imports(raw) if raw[at + 1] < len(code.co_names)}
    for constant in code.co_consts:
        if type(constant) is CodeType:
            found |= imported(constant)
    return found


def _imports(raw: bytes) -> list[int]:
    return [at for at in range(0, len(raw), 2) if raw[at] == _IMPORT]


def _imports_stateless(code: CodeType, raw: bytes) -> bool:
    for at in _imports(raw):
        if at and raw[at - 2] == _EXTENDED:
            return False
        if code.co_names[raw[at + 1]].partition(".")[0] not in _STATELESS:
            return False
    return True
