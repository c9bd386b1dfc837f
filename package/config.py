"""What every config block is made of, and what is wrong with one, in words.

Blocks live beside the code that reads them. A key is declared once, with its range and, as
attribute docstring, its description: experiment files, the `config.json` of checkpoints, arguments
in Python, `hrmgym keys` and docs/configuration.md all come from that one place.
"""

from __future__ import annotations

import inspect
import json
import os
import pathlib
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hrmgym.errors import ConfigError, UnexpectedKeywordError, UnknownNameError, did_you_mean

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Word = Annotated[str, Field(min_length=1)]
#: `~` and `~user` as a shell reads them; `Path.expanduser` raises where there is no such user.
expand_home = os.path.expanduser
#: Unlike `Path.is_file`, these say no, too, where the system refuses to look: a name is too long,
#: or a folder on the way may not be entered.
is_file, is_folder = os.path.isfile, os.path.isdir
#: A file or folder; `~` and `~user` stand for home folders, as in a shell.
PathWord = Annotated[str, Field(min_length=1), AfterValidator(expand_home)]


def named_path(variable: str) -> pathlib.Path | None:
    """The path that an environment variable names, `~` expanded; None where it is unset, or empty.

    No shell expands `~` in a file of variables, a container's or an editor's settings.
    """
    named = os.environ.get(variable)
    return pathlib.Path(expand_home(named)) if named else None


class Block(BaseModel):
    """A block of an experiment file: exact keys, exact types, no changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


B = TypeVar("B", bound=BaseModel)
F = TypeVar("F", bound=Callable[..., Any])
#: Keys and list indices from a block to a value.
Path = tuple[str | int, ...]


def read_block(kind: type[B], data: Mapping[str, Any], where: str) -> B:
    """A block from keys and values that Python gives.

    Args:
        kind: The block's class.
        data: Its keys.
        where: What messages begin with: `SoftwareEnv`.

    Raises:
        UnknownNameError: a value is none of the words that are legal.
        ConfigError: an unknown key, a value out of range, or values that contradict each other.
    """
    # Numbers of NumPy are taken for what they hold.
    plain = {key: one.item() if hasattr(one, "dtype") else one for key, one in data.items()}
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        # A misspelt key often causes a second error about the missing one, so it comes first.
        detail = first_detail(error)
        path = detail["loc"]
        owner: type[BaseModel] = kind
        for step in path[:-1]:
            field = owner.model_fields.get(str(step))
            inner = field.annotation if field else None
            owner = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else owner
        key = ".".join(map(str, path))
        if detail["type"] == "literal_error" and path:
            legal = get_args(owner.model_fields[str(path[-1])].annotation)
            raise UnknownNameError(key, str(detail["input"]), legal, f"{where}: ") from None
        path, text = explain(detail, path, owner)
        key = ".".join(map(str, path))
        raise ConfigError(f"{where}: {f'{key}: ' if key else ''}{text}") from None


def read_keywords(kind: type[B], options: Mapping[str, Any], function: str) -> B:
    """A block from the keywords of a call: as `read_block`, but an unknown one is a `TypeError`.

    Raises:
        UnexpectedKeywordError: the block has no such key.
        ConfigError: as `read_block`.
    """
    for name in options:
        if name not in kind.model_fields:
            near = did_you_mean(name, kind.model_fields)
            raise UnexpectedKeywordError(
                f"{function}() got an unexpected keyword argument {name!r}{near}"
            )
    return read_block(kind, options, function)


def takes_keys_of(kind: type[BaseModel]) -> Callable[[F], F]:
    """Shows a function's `**options` as a block's keys, with their defaults and descriptions.

    That is what `help` and notebooks know of it; the function reads them with `read_block`. Its
    docstring has a line `**options: ...:`, below which the keys come. Keys that are arguments
    of its own are left out.
    """

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        fields = {
            name: field
            for name, field in kind.model_fields.items()
            if name not in signature.parameters
        }
        keys = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.get_default(call_default_factory=True),
                annotation=written(kind, name),
            )
            for name, field in fields.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *keys])  # type: ignore[attr-defined]
        place = re.search(r"^( *)\*\*options:.*\n", function.__doc__ or "", re.MULTILINE)
        if place:
            indent = place[1] + " " * 4
            lines = (
                textwrap.fill(
                    f"{name}: {' '.join((field.description or '').split())}",
                    width=96,
                    initial_indent=indent,
                    subsequent_indent=indent + " " * 4,
                )
                for name, field in fields.items()
            )
            doc = function.__doc__ or ""
            function.__doc__ = doc[: place.end()] + "\n".join(lines) + "\n" + doc[place.end() :]
        return function

    return shown


def written(kind: type[BaseModel], name: str) -> str:
    """A key's type as its declaration has it: `Count | None`."""
    every = (inspect.get_annotations(one) for one in kind.__mro__)
    return str(next(one[name] for one in every if name in one))


def first_detail(error: ValidationError) -> ErrorDetails:
    """The mistake to tell of, of those that pydantic found."""
    found = error.errors(include_url=False)
    return min(found, key=lambda one: one["type"] != "extra_forbidden")


def explain(
    detail: ErrorDetails, path: Path, owner: type[BaseModel], tag: str | None = None
) -> tuple[Path, str]:
    """What is wrong with a value, with what would be right, and the path of the key that it is of.

    Args:
        detail: What pydantic says.
        path: To the value.
        owner: The block around it.
        tag: The key that the value may be one word for, where it should have been a block.
    """
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return path, f"unknown key{did_you_mean(str(path[-1]), owner.model_fields)}"
    if kind == "missing":
        return path, "required, and missing"
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        legal = context["expected_tags"].replace("'", "").split(", ")
        near = did_you_mean(context["tag"], legal)
        return (*path, tag), f"unknown {tag} {show(context['tag'])}{near}"
    if kind == "union_tag_not_found":
        return (*path, context["discriminator"].strip("'")), "required, and missing"
    if kind == "value_error":
        return path, str(context["error"])
    if kind == "entry_point":
        return path, str(context["told"])
    if kind in ("model_type", "model_attributes_type", "dict_type"):
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
    elif isinstance(value, int) and value.bit_length() > 1000:  # Python may refuse to print it
        text = f"a number of {value.bit_length()} bits"
    else:
        text = json.dumps(value, default=str, ensure_ascii=False)
        text = text.encode("utf-8", "backslashreplace").decode()  # JSON may hold half a character
    return text if len(text) <= most else f"{text[: most - 3]}..."
