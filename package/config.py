"""What every config block is made of. Blocks live beside the code that reads them."""

from __future__ import annotations

import os
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
#: Unlike `Path.is_file`, these say no, too, where the system refuses to look: a name is too long,
#: or a folder on the way may not be entered.
is_file, is_folder = os.path.isfile, os.path.isdir
#: A file or folder; `~` and `~user` stand for home folders, as in a shell.
PathWord = Annotated[str, Field(min_length=1), AfterValidator(expand_home)]


class Block(BaseModel):
    """A block of an experiment file: exact keys, exact types, no changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
