"""The package list, the folder guards, and what a wheel holds."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {folder: name for name, folder in SETUPTOOLS["package-dir"].items()}


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command], cwd=cwd, capture_output=True, text=True, timeout=300, env=os.environ | env
    )


def test_every_package_is_listed() -> None:
    found = set()
    for folder, name in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            below = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *below)))
    assert found == set(SETUPTOOLS["packages"])


@pytest.mark.parametrize("name", SETUPTOOLS["packages"])
def test_every_listed_package_imports(name: str) -> None:
    importlib.import_module(name)


@pytest.mark.parametrize("folder", sorted(set(FOLDERS) - {"package", "tests"}))
def test_a_bare_folder_says_what_to_write(folder: str) -> None:
    done = run(sys.executable, "-c", f"import {folder}", cwd=ROOT)
    assert done.returncode == 1
    assert f"write `import hrmgym.{folder}`" in done.stderr


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    code = (
        "import sys, hrmgym, gymnasium; gymnasium.spec('hrmgym/Katas-v0');"
        "heavy = {'torch', 'stable_baselines3', 'swerex', 'ray'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources."""
    copy = tmp_path_factory.mktemp("source") / "hrmgym"
    tracked = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.split("\n")
    for name in filter(None, tracked):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    out = copy.parent / "wheel"
    command = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    done = run(*command, "-w", str(out), str(copy), cwd=copy)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_a_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder, name in FOLDERS.items():
        inside = name.replace(".", "/")
        for path in (ROOT / folder).rglob("*"):
            wanted = path.suffix in (".py", ".yaml", ".json", ".jsonl", ".gz", ".typed")
            below = path.relative_to(ROOT / folder)
            if wanted and "__pycache__" not in path.parts and _packaged(path.parent, folder):
                assert f"{inside}/{below}" in held


def _packaged(directory: Path, folder: str) -> bool:
    """Whether the directory is a package, or holds a package's data."""
    if folder == "tests":
        return (directory / "__init__.py").exists()
    return True


def test_an_installed_wheel_works_away_from_the_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import hrmgym, sys, gymnasium as gym;"
        "assert hrmgym.__file__.startswith(sys.argv[1]), hrmgym.__file__;"
        "env = gym.make('hrmgym/Katas-v0'); env.reset(seed=0); env.close();"
        "from hrmgym.experiments.loader import load; load('demo');"
        "from hrmgym.trainers.data.real_edits import real_edits; assert real_edits('valid')"
    )
    site = str(tmp_path / "site")
    done = run(sys.executable, "-c", code, site, cwd=tmp_path, PYTHONPATH=site)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_editable_installs_work(mode: str, tmp_path: Path) -> None:
    """Into a throw-away environment that sees this one's packages."""
    copy = tmp_path / "hrmgym"
    tracked = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.split("\n")
    for name in filter(None, tracked):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    venv = tmp_path / "venv"
    assert (
        run(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=tmp_path).returncode == 0
    )
    python = str(venv / "bin" / "python")
    site = run(sys.executable, "-c", "import gymnasium; print(gymnasium.__path__[0])", cwd=tmp_path)
    here = Path(site.stdout.strip()).parent
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps")
    flags = ("--no-build-isolation", "--config-settings", f"editable_mode={mode}", "-e", str(copy))
    done = run(*pip, *flags, cwd=tmp_path, PYTHONPATH=str(here))
    assert done.returncode == 0, done.stderr
    code = "import hrmgym, hrmgym.envs.software as s; hrmgym.envs.make_benchmark('katas'); print(s)"
    # Our own path entry comes behind the editable one, so it only lends the dependencies.
    lend = f"import sys; sys.path.append({str(here)!r}); "
    done = run(python, "-c", lend + code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
