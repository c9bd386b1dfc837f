"""Reading the reports of a run folder, as far as other parts of the package use what they say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrmgym.errors import DataError
from hrmgym.jsonfile import read_object, shown


class _Part(BaseModel):
    """An object of a report, which may hold more."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class _Score(_Part):
    value: float = Field(allow_inf_nan=False)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    confidence: float
    method: str


class _Benchmark(_Part):
    name: str
    version: str
    split: str
    tasks: int


class _Environment(_Part):
    max_steps: int
    max_test_runs: int | None


class _Policy(_Part):
    kind: str


class _Hashes(_Part):
    checkpoint: str | None


class _Mean(_Part):
    tests_passed: float | None
    steps: float | None
    test_runs: float | None
    reward: float | None


class _Report(_Part):
    benchmark: _Benchmark
    complete: bool
    tasks_played: int
    seed: int
    environment: _Environment
    policy: _Policy
    hashes: _Hashes
    scores: Mapping[str, _Score | None]
    mean: _Mean


def read_report(path: Path) -> dict[str, Any]:
    """A report, whose keys that the package uses have been checked.

    Raises:
        DataError: The file cannot be read, or is no report; the message names line or key.
    """
    data = read_object(path, DataError)
    try:
        _Report.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise DataError(f"{path}: {key}: required, and missing, so it is no report") from None
        reason = first["msg"].removeprefix("Input ")
        raise DataError(f"{path}: {key}: {reason}, not {shown(first['input'])}") from None
    return data
