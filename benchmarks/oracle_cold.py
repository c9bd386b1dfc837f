"""Real pytest in a process of its own, which nothing was done to beforehand: for pytest_oracle.py.

Nothing of this project takes part but the plugin below, which writes down what pytest reports. The
interpreter and the libraries are those that a local sandbox has, so that a test that is skipped for
the lack of a package is skipped in both.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hrmgym.envs.sandboxes.local.nursery import LIBRARIES, python
from hrmgym.envs.task import Limits

_PLUGIN = """
import json, os
_out = os.open(os.environ.pop("ORACLE_REPORT"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def _write(*parts): os.write(_out, json.dumps(parts).encode() + b"\\n")
def pytest_collectreport(report):
    if report.failed: _write("broken", report.nodeid)
def pytest_runtest_logstart(nodeid): _write("start", nodeid)
def pytest_runtest_logreport(report): _write(report.nodeid, report.when, report.outcome)
def pytest_runtest_logfinish(nodeid): _write("end", nodeid)
"""
#: What `python -m pytest` does, with the builtins that `site` adds, and without its folders.
_START = (
    "import runpy, site; site.setquit(); site.setcopyright(); site.sethelper(); "
    "runpy.run_module('pytest', run_name='__main__', alter_sys=True)"
)
_MEMORY_KB = 4 << 20


@dataclass(frozen=True, slots=True)
class Cold:
    """What real pytest said."""

    statuses: Mapping[str, str]
    """Node id -> passed, failed, error, skipped or timeout, in the order in which they ran."""
    broken: frozenset[str]
    """Node ids of files and classes that could not be collected."""
    late: bool
    """Whether it ran out of time."""

    def status(self, node: str) -> str:
        """The status of a test, also of one that did not run."""
        if node in self.statuses:
            return self.statuses[node]
        parts = node.split("::")
        if any("::".join(parts[:end]) in self.broken for end in range(1, len(parts))):
            return "error"
        return "timeout" if self.late else "missing"


@contextmanager
def libraries() -> Iterator[Path]:
    """A folder with pytest and what it needs, and nothing else of the environment."""
    with tempfile.TemporaryDirectory(prefix="oracle-lib-") as folder:
        for name in LIBRARIES:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                origin = Path(spec.origin)
                path = origin.parent if spec.submodule_search_locations else origin
                Path(folder, path.name).symlink_to(path)
        Path(folder, "oracle_plugin.py").write_text(_PLUGIN, encoding="utf-8")
        yield Path(folder)


def run_cold(
    library: Path, files: Mapping[str, str], targets: Iterable[str], limits: Limits
) -> Cold:
    """Run the tests of files.

    Args:
        library: What `libraries` has made.
        files: Path -> text of the whole workspace, tests included.
        targets: The test files.
        limits: CPU and wall-clock seconds.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-") as scratch:
        root, temporary, report = (Path(scratch, n) for n in ("workspace", "tmp", "report"))
        temporary.mkdir()
        for path, text in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode("utf-8", "surrogateescape"))
        cpu_s = max(1, round(limits.cpu_s))
        argv = [
            *("sh", "-c", f'ulimit -t {cpu_s}; ulimit -v {_MEMORY_KB}; exec "$@"', "sh"),
            *(python(), "-s", "-S", "-B", "-c", _START, "-q", "--tb=no", "-p", "oracle_plugin"),
            *("--continue-on-collection-errors", "-p", "no:cacheprovider", "-c", "/dev/null"),
            *(f"--rootdir={root}", f"--confcutdir={root}", *targets),
        ]
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(library),
            "PYTHONHASHSEED": "0",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "ORACLE_REPORT": str(report),
        }
        try:
            done = subprocess.run(
                argv, cwd=root, env=env, capture_output=True, timeout=limits.wall_s, check=False
            )
            late = done.returncode in (-24, -9, 128 + 24, 128 + 9)
        except subprocess.TimeoutExpired:
            late = True
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    return _read(lines, late=late)


def _read(lines: list[str], *, late: bool) -> Cold:
    statuses: dict[str, str] = {}
    broken = set()
    running = ""
    for line in lines:
        match json.loads(line):
            case ["broken", node]:
                broken.add(node)
            case ["start", node]:
                running = node
            case ["end", _]:
                running = ""
            case [node, phase, "failed"]:
                if statuses.get(node, "passed") == "passed":
                    statuses[node] = "failed" if phase == "call" else "error"
            case [node, _, "skipped"]:
                statuses.setdefault(node, "skipped")
            case [node, "call", "passed"]:
                statuses.setdefault(node, "passed")
    if running:
        statuses[running] = "timeout" if late else "error"
    return Cold(statuses, frozenset(broken), late)
