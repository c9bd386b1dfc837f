"""pydantic's errors as one line: where, which key, what is wrong, and the nearest legal value."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hrmgym.config import Path, explain, first_detail
from hrmgym.errors import UserError
from hrmgym.experiments.schema import TAGS
from hrmgym.registry import OneOf
from hrmgym.yaml12 import dotted

#: Where each value comes from, in the order in which it was set: a path into the experiment ->
#: `experiments/x.yaml:5` or `override 'seed=1'`. The empty path is the experiment as a whole.
Origins = Mapping[Path, str]


def message(
    error: ValidationError, model: type[BaseModel], origins: Origins, data: Mapping[str, Any]
) -> str:
    """The first mistake as one line, and how many more there are.

    Args:
        error: What pydantic said.
        model: Of the whole.
        origins: Where each value comes from.
        data: What was read.
    """
    detail, count = first_detail(error), error.error_count()
    path, owner = _clean(detail["loc"], model, data)
    path, text = explain(detail, path, owner, TAGS.get(str(path[-1])) if path else None)
    key = dotted(path)
    more = f" (and {count - 1} more)" if count > 1 else ""
    whole_block = detail["type"] == "value_error"
    return f"{_where(path, origins, whole_block)}: {f'{key}: ' if key else ''}{text}{more}"


def _where(path: Path, origins: Origins, whole_block: bool) -> str:
    """The origin of the value, or of the innermost block around it."""
    if whole_block:  # keys that contradict each other: the override is the one that was typed last
        below = [text for p, text in origins.items() if p[: len(path)] == path]
        overrides = [text for text in below if text.startswith("override ")]
        if overrides:
            return overrides[-1]
    return next(origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins)


def _clean(
    loc: Path, model: type[BaseModel], data: Mapping[str, Any]
) -> tuple[Path, type[BaseModel]]:
    """`loc` without the tags that pydantic puts in for unions, and the model of the last block."""
    path: list[str | int] = []
    owner = model
    choices: tuple[type[BaseModel], ...] = ()
    value: Any = data
    for step in loc:
        if len(choices) > 1:  # this step is the tag of a union
            tag = TAGS[str(path[-1])]
            choices = tuple(m for m in choices if step in get_args(m.model_fields[tag].annotation))
            owner = choices[0]
            continue
        if choices:
            owner = choices[0]
        path.append(step)
        value = value.get(step) if isinstance(value, Mapping) else None
        field = owner.model_fields.get(str(step))
        choices = _models(field.annotation, value) if field else ()
    return tuple(path), owner


def _models(annotation: Any, value: Any) -> tuple[type[BaseModel], ...]:
    """The models that a field's annotation is made of; of a registry's, the one of the value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    parts = get_args(annotation)
    for part in parts:
        if isinstance(part, OneOf) and isinstance(value, Mapping):
            with suppress(UserError):
                return (part.block(str(value.get(part.tag))),)
    return tuple(model for part in parts for model in _models(part, value))
