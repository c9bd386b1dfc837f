"""Who may import whom: the direction of DESIGN, held by reading the sources."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Folder -> what it may import of the package, beside what is everybody's.
MAY_IMPORT = {
    "hrm": {"hrm"},
    "envs": {"envs"},
    "policies": {"policies", "envs", "hrm"},
    "search": {"search", "policies", "envs", "hrm"},
    "trainers": {"trainers", "search", "policies", "envs", "hrm"},
    "experiments": {"experiments", "trainers", "search", "policies", "envs", "hrm"},
    "package": {"experiments", "trainers", "search", "policies", "envs", "hrm", "__version__"},
}
EVERYBODYS = {"errors", "config", "jsonfile", "yaml12"}


def imported(path: Path) -> set[str]:
    """First names below `hrmgym` that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        names |= {m.split(".")[1] for m in modules if m.startswith("hrmgym.")}
    return names


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_go_one_way(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts]
    assert files
    own = {path.stem for path in (ROOT / "package").glob("*.py")} if folder == "package" else set()
    for path in files:
        wrong = imported(path) - MAY_IMPORT[folder] - EVERYBODYS - own
        assert not wrong, f"{path.relative_to(ROOT)} must not import hrmgym.{min(wrong)}"


#: Folders of `envs/sandboxes` whose modules run inside a sandbox, where there is nothing else.
INSIDE = {"inside", "between", "confinement"}


@pytest.mark.parametrize("folder", sorted(INSIDE))
def test_what_runs_inside_a_sandbox_needs_only_what_is_there(folder: str) -> None:
    known = sys.stdlib_module_names | {"pytest", "_pytest"}
    files = list((ROOT / "envs" / "sandboxes" / folder).glob("*.py"))
    assert len(files) > 1
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= known, path
            elif isinstance(node, ast.ImportFrom):
                parts = str(node.module).split(".")
                ours = parts[:3] == ["hrmgym", "envs", "sandboxes"] and parts[3] in INSIDE
                assert ours or parts[0] in known, f"{path}: {node.module}"


def test_the_reader_finds_imports(tmp_path: Path) -> None:
    """Guards the test above against finding nothing."""
    source = tmp_path / "a.py"
    source.write_text("import hrmgym.envs.task\ndef f():\n    from hrmgym import hrm\n")
    assert imported(source) == {"envs", "hrm"}


def test_envs_and_the_command_line_do_not_import_torch_at_the_top() -> None:
    for folder in ("envs", "package", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    text = ast.unparse(node)
                    assert "import torch" not in text, path
                    if folder == "envs":
                        assert "stable_baselines3" not in text, path
