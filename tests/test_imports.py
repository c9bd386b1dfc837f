"""Who may import whom: the direction of DESIGN, and no circles, held by reading the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
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
EVERYBODYS = {"errors", "config", "jsonfile", "registry", "yaml12"}
#: Module or package -> packages that nothing in it imports, though the folders above would let it.
NEVER_IMPORTS = {
    "hrmgym.envs.bugs": ("hrmgym.envs.benchmarks", "hrmgym.envs.benchmark"),
    "hrmgym.envs.edits": ("hrmgym.envs.bugs", "hrmgym.envs.benchmarks", "hrmgym.envs.benchmark"),
    "hrmgym.trainers.data": ("hrmgym.trainers",),
    "hrmgym.errors": ("hrmgym",),
    "hrmgym.config": ("hrmgym",),
    "hrmgym.jsonfile": ("hrmgym",),
    "hrmgym.registry": ("hrmgym.envs", "hrmgym.hrm", "hrmgym.policies", "hrmgym.trainers"),
}

Graph = Mapping[str, set[str]]


def sources(root: Path = ROOT, folders: Iterable[str] = MAY_IMPORT) -> dict[str, Path]:
    """Module -> file, for every module of the package; the folder `package` is its top."""
    found = {}
    for folder in folders:
        top = "hrmgym" if folder == "package" else f"hrmgym.{folder}"
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            found[".".join([top, *parts]).removesuffix(".__init__")] = path
    return found


@cache
def named(path: Path) -> tuple[tuple[str, str], ...]:
    """What a file imports, anywhere in it: (module, name in it), the name "" for `import module`.

    Imports in functions count, and those for types alone: they only hide a circle.
    """
    return tuple(_named(path))


def _named(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = called.id if isinstance(called, ast.Name) else called
            if called in ("import_module", "__import__") and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), ""


def imported(path: Path) -> set[str]:
    """First names below `hrmgym` that a file imports, anywhere in it."""
    modules = (f"{module}.{name}" if name else module for module, name in named(path))
    return {m.split(".")[1] for m in modules if m.startswith("hrmgym.")}


def graph_of(files: Mapping[str, Path]) -> Graph:
    """Module -> the modules among `files` that it imports; that is not its parents' `__init__`."""
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        both = ((f"{above}.{name}" if name else above, above) for above, name in named(path))
        wanted = (whole if whole in files else above for whole, above in both)
        graph[module] = {one for one in wanted if one in files}
    return graph


def folders_of(graph: Graph, files: Mapping[str, Path]) -> Iterator[tuple[str, Graph]]:
    """For each package: the folders in it, and which of them imports which, all below them too."""
    packages = {module for module, path in files.items() if path.name == "__init__.py"}
    for package in sorted(packages):
        beside = [one for one in packages if one.rpartition(".")[0] == package]
        within = {
            module: one for module in graph for one in beside if f"{module}.".startswith(f"{one}.")
        }
        found: dict[str, set[str]] = {one: set() for one in beside}
        for module, folder in within.items():
            found[folder] |= {within[one] for one in graph[module] if one in within} - {folder}
        yield package, found


def circle_in(graph: Graph) -> str:
    """One circle, from importer to imported; "" where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " imports ".join(reversed(error.args[1]))
    return ""


def test_no_file_is_in_a_circle() -> None:
    assert circle_in(graph_of(sources())) == ""


def test_no_folder_is_in_a_circle_with_those_beside_it() -> None:
    files = sources()
    rooms = dict(folders_of(graph_of(files), files))
    assert len(rooms["hrmgym"]) >= 6
    assert len(rooms["hrmgym.envs"]) >= 4
    for package, graph in rooms.items():
        assert circle_in(graph) == "", package


@pytest.mark.parametrize("inner", sorted(NEVER_IMPORTS))
def test_what_serves_others_does_not_know_them(inner: str) -> None:
    graph = graph_of(sources())
    here = {module for module in graph if f"{module}.".startswith(f"{inner}.")}
    assert here
    allowed = {"hrmgym", *(f"hrmgym.{name}" for name in EVERYBODYS)}
    for module in here:
        for other in graph[module] - here - allowed:
            for barred in NEVER_IMPORTS[inner]:
                assert not f"{other}.".startswith(f"{barred}."), f"{module} imports {other}"


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_go_one_way(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts]
    assert files
    own = {path.stem for path in (ROOT / "package").glob("*.py")} if folder == "package" else set()
    for path in files:
        wrong = imported(path) - MAY_IMPORT[folder] - EVERYBODYS - own
        assert not wrong, f"{path.relative_to(ROOT)} must not import hrmgym.{min(wrong)}"


#: Folders of `envs/sandboxes` whose modules run inside a sandbox, where there is nothing else.
INSIDE = {"inside", "between", "confinement", "processes", "screening"}


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
    """Guards the tests above against finding nothing."""
    source = tmp_path / "a.py"
    source.write_text("import hrmgym.envs.task\ndef f():\n    from hrmgym import hrm\n")
    assert imported(source) == {"envs", "hrm"}


@pytest.mark.parametrize(
    ("one", "other", "circle"),
    [
        ("from hrmgym.envs.b import x", "import hrmgym.envs.a", True),
        ("from hrmgym.envs import b", "from hrmgym.envs.a import x as y", True),
        ("import hrmgym.envs.b as b", "def f():\n    from hrmgym.envs import a", True),
        ("from hrmgym.envs.b import x", "if TYPE_CHECKING:\n    import hrmgym.envs.a", True),
        ("import hrmgym.envs.b", "importlib.import_module('hrmgym.envs.a')", True),
        ("import hrmgym.envs.b", "__import__('hrmgym.envs.a')", True),
        ("from hrmgym.envs.sub import x", "import hrmgym.envs.a", False),
        ("import hrmgym.envs.b", "import os\nfrom hrmgym.envs import c", False),
    ],
)
def test_circles_of_files_are_found(one: str, other: str, circle: bool, tmp_path: Path) -> None:
    folder = tmp_path / "envs"
    (folder / "sub").mkdir(parents=True)
    for path, text in (
        ("__init__.py", ""),
        ("a.py", one),
        ("b.py", other),
        ("c.py", "x = 1"),
        ("sub/__init__.py", "from hrmgym.envs import c"),
    ):
        (folder / path).write_text(text)
    found = circle_in(graph_of(sources(tmp_path, ["envs"])))
    assert bool(found) == circle
    if circle:
        ends = {"hrmgym.envs.a imports hrmgym.envs.b", "hrmgym.envs.b imports hrmgym.envs.a"}
        assert any(end in found for end in ends)


def test_circles_of_folders_are_found_where_no_file_is_in_one(tmp_path: Path) -> None:
    for folder, other in (("left", "right"), ("right", "left")):
        (tmp_path / "envs" / folder / "deep").mkdir(parents=True)
        (tmp_path / "envs" / folder / "__init__.py").touch()
        (tmp_path / "envs" / folder / "deep" / "__init__.py").touch()
        (tmp_path / "envs" / folder / "plain.py").touch()
        text = f"from hrmgym.envs.{other} import plain"
        (tmp_path / "envs" / folder / "deep" / "user.py").write_text(text)
    (tmp_path / "envs" / "__init__.py").touch()
    files = sources(tmp_path, ["envs"])
    graph = graph_of(files)
    assert circle_in(graph) == ""
    found = {package: circle_in(one) for package, one in folders_of(graph, files)}
    assert "hrmgym.envs.left imports hrmgym.envs.right" in found.pop("hrmgym.envs")
    assert set(found.values()) == {""}


def test_envs_and_the_command_line_do_not_import_torch_at_the_top() -> None:
    for folder in ("envs", "package", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    text = ast.unparse(node)
                    assert "import torch" not in text, path
                    if folder == "envs":
                        assert "stable_baselines3" not in text, path
