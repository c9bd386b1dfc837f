"""What every config block is made of. Blocks live beside the code that reads them."""

from __future__ import annotations

import os
import pathlib
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Word = Annotated[str, Field(min_length=1)]
#: `~` and `~user` as a shell reads them; `Path.expanduser` raises where there is no such user.
expand_home = os.path.expanduser
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
