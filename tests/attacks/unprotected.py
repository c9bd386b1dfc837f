"""A runner without protection, as many suites have it: the tests lie next to the candidate, the
expected values are inside, the verdict is an exit code, a line or a log, and all there is against
harm is a limit on wall-clock time.

It runs on a machine made for it, see machine.py, and never elsewhere. Standard library only.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

MARKER = "@@RESULT "
_DRIVER = """\
import json, operator, os, pickle, sys
from solution import double
cases = json.loads({cases!r})
if {reads!r} == "pickle":
    with open("answers", "wb") as file:
        pickle.dump([double(*args) for args, _ in cases], file)
    sys.exit()
passed = sum(operator.eq(double(*args), expected) for args, expected in cases)
if {reads!r} == "pipe":
    os.write(int(os.environ["RESULT_FD"]), json.dumps(passed).encode())
print({marker!r} + json.dumps(passed))
sys.exit(passed != len(cases))
"""


def judge(job: Mapping[str, Any]) -> bool:
    """Whether the runner takes the task for solved.

    Args:
        job: kind, files (the agent's), commands, base (the task's files), visible and hidden (path
            -> text of the tests; for calls and stdio a list of pairs under `cases`), names (of the
            hidden tests), reads, session, rounds, wall_s.
    """
    folder = Path(tempfile.mkdtemp(prefix="task-"))
    _write(folder, {**job["base"], **_suite(job, "visible"), **job["files"]})
    if job["commands"] and not job["session"]:
        with suppress(subprocess.TimeoutExpired):
            script = "\n".join(job["commands"])
            subprocess.run(["bash", "-c", script], cwd=folder, timeout=job["wall_s"])
        job = {**job, "commands": [], "files": _collect(folder)}
    solved = False
    for phase in [*["visible"] * job["rounds"], "hidden"]:
        tests = _suite(job, phase)
        _write(folder, {path: text for path, text in tests.items() if path not in job["files"]})
        solved = _run(job, phase, folder)
    return solved


def _collect(folder: Path) -> dict[str, str]:
    """What the agent has made of the folder."""
    found = {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }
    (folder / "log").write_text("\n".join(found))
    return found


def _suite(job: Mapping[str, Any], phase: str) -> dict[str, str]:
    """The files of a phase's tests."""
    given = job[phase]
    if job["kind"] == "calls":
        cases = json.dumps([[[x], y] for x, y in given])
        text = _DRIVER.format(cases=cases, reads=job["reads"], marker=MARKER)
        return {f"check_{phase}.py": text}
    if job["kind"] == "stdio":
        pairs = {f"cases/{i}.in": f"{x}\n" for i, (x, _) in enumerate(given)}
        return pairs | {f"cases/{i}.out": f"{y}\n" for i, (_, y) in enumerate(given)}
    return dict(given)


def _run(job: Mapping[str, Any], phase: str, folder: Path) -> bool:
    if job["kind"] == "stdio":
        verdicts = []
        for i in range(len(job[phase])):
            command = ["sh", "-c", f"python3 solution.py < cases/{i}.in"]
            printed = _execute(job, command, folder).stdout
            verdicts.append(printed.strip() == (folder / f"cases/{i}.out").read_text().strip())
        return all(verdicts)
    done = _execute(job, _command(job, phase), folder)
    if job["reads"] == "exit code":
        return done.returncode == 0
    if job["reads"] == "pipe":
        return done.stderr.startswith("3")
    if job["reads"] == "marker":
        lines = [line for line in done.stdout.splitlines() if line.startswith(MARKER)]
        passed = json.loads(lines[-1].removeprefix(MARKER)) if lines else 0
        return bool(passed >= len(job[phase]))
    if job["reads"] == "pickle":
        answers = pickle.loads((folder / "answers").read_bytes())
        (folder / "log").write_text(json.dumps(answers, default=repr))
        return bool(answers == [expected for _, expected in job[phase]])
    return all(f"PASSED {name}\n" in done.stdout for name in job["names"])


def _command(job: Mapping[str, Any], phase: str) -> list[str]:
    if job["kind"] == "calls":
        return ["python3", f"check_{phase}.py"]
    if job["kind"] == "command":
        return ["sh", f"check_{phase}.sh"]
    return ["python3", "-m", "pytest", "-q", "-rA", "--tb=no", f"tests/test_{phase}.py"]


def _execute(
    job: Mapping[str, Any], command: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command in the bash that the agent has used. A pipe's answer comes as stderr."""
    out, into = os.pipe()
    environment = {**os.environ, "RESULT_FD": str(into)}
    words = " ".join(command) if command[0] != "sh" or len(command) == 2 else command[2]
    try:
        done = subprocess.run(
            ["bash", "-c", "\n".join([*job["commands"], words])],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=job["wall_s"],
            env=environment,
            pass_fds=[into],
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "")
    finally:
        os.close(into)
    if job["reads"] == "pipe":
        os.set_blocking(out, False)
        try:
            done.stderr = os.read(out, 4096).decode(errors="replace")
        except BlockingIOError:
            done.stderr = ""
    os.close(out)
    return done


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="surrogateescape")
