"""Which Python's packages a project's tests find: the folder of them, shown read-only.

An environment that is found in a project is only looked at: nothing of it is run out of a sandbox.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hrmgym.errors import ConfigError

_ASK = (
    "import json, sys, sysconfig;"
    "print(json.dumps(['.'.join(map(str, sys.version_info[:2])), sysconfig.get_path('purelib')]))"
)
_PATIENCE_S = 30.0
#: Version of the Python that the sandbox runs.
OURS = ".".join(map(str, sys.version_info[:2]))


@dataclass(frozen=True, slots=True)
class Packages:
    """Installed packages."""

    folder: str
    """Empty where they are those of a container's image."""
    owner: str
    """The environment or interpreter that they belong to."""
    note: str = ""
    """Why it is not the one that could be expected; empty where it is."""


def packages_of(python: Path | None, root: Path) -> Packages:
    """The packages that tests find.

    Args:
        python: An interpreter, or the folder of a virtual environment. By default the active
            environment, else one in the project's `.venv` or `venv`, else what this runs in.
        root: The project's root.

    Raises:
        ConfigError: what is named is neither, or its packages are for another version of Python
            than the sandbox's.
    """
    if python is not None:
        return _named(python)
    active = os.environ.get("VIRTUAL_ENV")
    note = ""
    for folder in (*([Path(active)] if active else ()), root / ".venv", root / "venv"):
        if _is_environment(folder) and folder.resolve() != Path(sys.prefix).resolve():
            found = _site_packages(folder)
            if found is not None:
                return Packages(str(found), str(folder), note)
            note = note or f"{folder} is not for Python {OURS}, which the sandbox runs"
    return Packages(sysconfig.get_path("purelib"), sys.prefix, note)


def plugins_in(folder: str) -> list[str]:
    """Modules of pytest's plugins among installed packages; none of them is imported."""
    found = {
        one.value
        for distribution in metadata.distributions(path=[folder] if folder else [])
        for one in distribution.entry_points.select(group="pytest11")
    }
    return sorted(one for one in found if ":" not in one)


def _named(python: Path) -> Packages:
    folder = python if python.is_dir() else python.parent.parent
    if _is_environment(folder):
        found = _site_packages(folder)
        if found is None:
            theirs = ", ".join(sorted(one.name for one in folder.glob("lib/python*"))) or "another"
            raise ConfigError(_other_version(python, theirs))
        return Packages(str(found), str(python))
    if not python.is_file():
        raise ConfigError(
            f"--python {python}: no interpreter; name one, or the folder of a virtual environment"
        )
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        version, packages = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError(f"--python {python}: no Python that runs: {error}") from None
    if version != OURS:
        raise ConfigError(_other_version(python, f"python{version}"))
    return Packages(str(packages), str(python))


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file()


def _site_packages(environment: Path) -> Path | None:
    found = environment / "lib" / f"python{OURS}" / "site-packages"
    return found if found.is_dir() else None


def _other_version(python: Path, theirs: str) -> str:
    return (
        f"--python {python}: its packages are for {theirs}, and the sandbox runs the Python {OURS}"
        f" that hrmgym is installed in; name an environment of {OURS}, or install hrmgym there"
    )
