"""Python values in a JSON file: what JSON cannot say is an object with a key that begins with `$`.

    {"$tuple": [1, 2]}                   (1, 2)
    {"$set": [1, 2]}                     {1, 2}; likewise $frozenset
    {"$bytes": "aGk="}                   b"hi", in base64
    {"$float": "nan"}                    also "inf" and "-inf"
    {"$dict": [[1, "a"], [2, "b"]]}      {1: "a", 2: "b"}: keys that are no text, or begin with `$`
    {"$import": "builtins:int"}          the class int; any class or function, as module:name

Everything else is what JSON has: null, true, numbers, text, lists, and objects with text for keys,
which are dictionaries. They may lie in each other. As an argument, a class or function is imported
in the sandbox, where the modules of the workspace are, too; an expected class is compared by name.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from hrmgym.envs.sandboxes.inside import values
from hrmgym.envs.sandboxes.inside.values import Named
from hrmgym.errors import did_you_mean

TAGS = ("$tuple", "$set", "$frozenset", "$bytes", "$float", "$dict", "$import")
FLOATS = ("nan", "inf", "-inf")
_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
IMPORT = rf"^{_NAME}:{_NAME}$"


def decode(data: Any, depth: int = values.MAX_DEPTH) -> Any:
    """The value that JSON data stands for.

    Raises:
        ValueError: A tag is unknown, or what it holds does not fit it.
    """
    if depth < 0:
        raise ValueError(f"values lie in each other more than {values.MAX_DEPTH} deep")
    if isinstance(data, list):
        return [decode(item, depth - 1) for item in data]
    if not isinstance(data, dict):
        return data
    tag = next((key for key in data if key.startswith("$")), None)
    if tag is None:
        return {key: decode(item, depth - 1) for key, item in data.items()}
    if tag not in TAGS:
        near = did_you_mean(tag, TAGS)
        raise ValueError(f"unknown tag {tag!r}{near} (a dictionary with such a key is a $dict)")
    if len(data) > 1:
        raise ValueError(f"an object with {tag!r} has no other key")
    return _tagged(tag, data[tag], depth)


def _tagged(tag: str, body: Any, depth: int) -> Any:
    if tag == "$bytes":
        try:
            return base64.b64decode(_text(tag, body), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"$bytes takes base64: {error}") from None
    if tag == "$float":
        if body not in FLOATS:
            raise ValueError(f"$float takes one of {', '.join(FLOATS)}, not {body!r}")
        return float(body)
    if tag == "$import":
        if not re.fullmatch(IMPORT, _text(tag, body)):
            raise ValueError(f"$import takes module:name, for example builtins:int, not {body!r}")
        return Named(*body.split(":"))
    if not isinstance(body, list):
        raise ValueError(f"{tag} takes a list")
    try:
        if tag == "$dict":
            pairs = [_pair(item, depth) for item in body]
            return _without_repeats(dict(pairs), pairs, tag)
        items = [decode(item, depth - 1) for item in body]
        if tag == "$tuple":
            return tuple(items)
        return _without_repeats((set if tag == "$set" else frozenset)(items), items, tag)
    except TypeError as error:
        raise ValueError(f"{tag}: {error}") from None  # an unhashable member


def _pair(item: Any, depth: int) -> tuple[Any, Any]:
    if not isinstance(item, list) or len(item) != 2:
        raise ValueError("$dict takes a list of [key, value] pairs")
    return decode(item[0], depth - 1), decode(item[1], depth - 1)


def _without_repeats(made: Any, given: list[Any], tag: str) -> Any:
    if len(made) != len(given):
        raise ValueError(f"{tag}: a member or key stands twice")
    return made


def _text(tag: str, body: Any) -> str:
    if not isinstance(body, str):
        raise ValueError(f"{tag} takes a text")
    return body


def schema(at: str) -> dict[str, Any]:
    """JSON Schema of such a value, which refers to itself as `at`."""
    value = {"$ref": at}
    many = {"type": "array", "items": value}
    pair = {**many, "minItems": 2, "maxItems": 2}
    bodies: dict[str, dict[str, Any]] = {
        "$tuple": many,
        "$set": many,
        "$frozenset": many,
        "$bytes": {"type": "string", "contentEncoding": "base64"},
        "$float": {"enum": list(FLOATS)},
        "$dict": {"type": "array", "items": pair},
        "$import": {"type": "string", "pattern": "^[^:]+:[^:]+$"},
    }
    assert tuple(bodies) == TAGS
    plain = {
        "type": "object",
        "propertyNames": {"pattern": r"^(?!\x24)"},
        "additionalProperties": value,
    }
    tagged = [
        {
            "type": "object",
            "properties": {tag: body},
            "required": [tag],
            "additionalProperties": False,
        }
        for tag, body in bodies.items()
    ]
    scalar = {"type": ["null", "boolean", "number", "string"]}
    return {
        "title": "Value",
        "description": "A Python value; an object with one key that begins with $ is one that "
        "JSON cannot say.",
        "anyOf": [scalar, many, plain, *tagged],
    }
