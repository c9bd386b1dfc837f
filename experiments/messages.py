"""pydantic's errors as one line: where, which key, what is wrong, and the nearest legal value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hrmgym.errors import did_you_mean
from hrmgym.experiments.schema import TAGS
from hrmgym.yaml12 import Path, dotted

#: Where each value comes from, in the order in which it was set: a path into the experiment ->
#: `experiments/x.yaml:5` or `override 'seed=1'`. The empty path is the experiment as a whole.
Origins = Mapping[Path, str]


def message(error: ValidationError, model: type[BaseModel], origins: Origins) -> str:
    """The first mistake as one line, and how many more there are."""
    # A misspelt key often causes a second error about the missing one, so it comes first.
    details = sorted(error.errors(include_url=False), key=lambda d: d["type"] != "extra_forbidden")
    path, owner = _clean(details[0]["loc"], model)
    path, text = _explain(details[0], path, owner)
    key = dotted(path)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    whole_block = details[0]["type"] == "value_error"
    return f"{_where(path, origins, whole_block)}: {f'{key}: ' if key else ''}{text}{more}"


def _where(path: Path, origins: Origins, whole_block: bool) -> str:
    """The origin of the value, or of the innermost block around it."""
    if whole_block:  # keys that contradict each other: the override is the one that was typed last
        below = [text for p, text in origins.items() if p[: len(path)] == path]
        overrides = [text for text in below if text.startswith("override ")]
        if overrides:
            return overrides[-1]
    return next(origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins)


def _clean(loc: Path, model: type[BaseModel]) -> tuple[Path, type[BaseModel]]:
    """`loc` without the tags that pydantic puts in for unions, and the model of the last block."""
    path: list[str | int] = []
    owner = model
    choices: tuple[type[BaseModel], ...] = ()
    for step in loc:
        if len(choices) > 1:  # this step is the tag of a union
            tag = TAGS[str(path[-1])]
            choices = tuple(m for m in choices if step in get_args(m.model_fields[tag].annotation))
            owner = choices[0]
            continue
        if choices:
            owner = choices[0]
        path.append(step)
        field = owner.model_fields.get(str(step))
        choices = _models(field.annotation) if field else ()
    return tuple(path), owner


def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models that a field's annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(model for part in get_args(annotation) for model in _models(part))


def _explain(detail: ErrorDetails, path: Path, owner: type[BaseModel]) -> tuple[Path, str]:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return path, f"unknown key{did_you_mean(str(path[-1]), owner.model_fields)}"
    if kind == "missing":
        return path, "required, and missing"
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        legal = context["expected_tags"].replace("'", "")
        return (*path, tag), f"unknown {tag} {show(context['tag'])}; known: {legal}"
    if kind == "union_tag_not_found":
        return (*path, context["discriminator"].strip("'")), "required, and missing"
    if kind == "value_error":
        return path, str(context["error"])
    if kind in ("model_type", "model_attributes_type"):
        tag = TAGS.get(str(path[-1])) if path else None
        text = f"should be keys and values{f', or a {tag}' if tag else ''}"
    elif kind == "tuple_type":
        text = "should be a list"
    elif kind == "too_short":
        text = f"should have at least {context['min_length']} item"
    elif kind == "string_pattern_mismatch":
        text = f"should match {context['pattern']}"
    else:
        text = detail["msg"].removeprefix("Input ")
    return path, f"{text}, not {show(value)}"


def show(value: Any, most: int = 60) -> str:
    """A value as it would stand in a file, cut to a readable length."""
    if isinstance(value, str):
        text = repr(value)
    else:
        text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 3]}..."
