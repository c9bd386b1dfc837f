"""Reading JSON files that this package wrote, and that anything may have happened to since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrmgym.errors import UserError


def read_json(path: Path, error: type[UserError]) -> Any:
    """What a file of one JSON value holds.

    Args:
        path: The file; UTF-8, with or without a byte order mark.
        error: What is raised.

    Raises:
        UserError: `error`: it cannot be read, is not JSON, or has a key twice; with the line where
            there is one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise error(f"{path}:{line}: not UTF-8") from None
    try:
        data = json.loads(text, object_pairs_hook=_unique)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode()
        return data
    except json.JSONDecodeError as problem:
        raise error(f"{path}:{problem.lineno}: not JSON: {problem.msg}") from None
    except UnicodeEncodeError:
        raise error(f"{path}: a key or value holds a lone surrogate: no text") from None
    except ValueError as problem:  # a key twice, or a number of more digits than Python reads
        raise error(f"{path}: not JSON: {problem}") from None
    except RecursionError:
        raise error(f"{path}: not JSON: values lie in each other too deep") from None


def read_object(path: Path, error: type[UserError]) -> dict[str, Any]:
    """As `read_json`, of a file that holds an object.

    Raises:
        UserError: `error`, as there, or it holds something else.
    """
    data = read_json(path, error)
    if not isinstance(data, dict):
        raise error(f"{path}: should be an object with keys, not {shown(data)}")
    return data


def check_keys(
    data: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]], where: object
) -> str:
    """What is wrong with the first of some keys that is not of its kind, as a message; else "".

    Args:
        data: The object.
        kinds: Key -> types, None's among them where the key may be left out.
        where: What the message begins with.
    """
    for key, kind in kinds.items():
        types = kind if isinstance(kind, tuple) else (kind,)
        if key not in data and type(None) not in types:
            return f"{where}: {key}: required, and missing"
        value = data.get(key)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(_NAMES.get(one, one.__name__) for one in types)
            return f"{where}: {key}: should be {names}, not {shown(value)}"
    return ""


def shown(value: Any) -> str:
    """A value as a message shows it: of a readable length."""
    text = f"a number of {value.bit_length()} bits" if _is_long(value) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000  # Python may refuse to print it


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return made
