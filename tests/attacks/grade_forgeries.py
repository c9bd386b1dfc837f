"""Saying in the runner's place that all is well."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import HIDDEN, STYLES, VISIBLE, Attack, Kind, program, pytest_files

_NAMES = [
    name
    for phase, numbers in (("visible", VISIBLE), ("hidden", HIDDEN))
    for name in pytest_files(STYLES, f"tests/test_{phase}.py", numbers)[1]
]
#: What runners, ours among them, may take for the report of a test that has passed.
_LINES = "\n".join(
    [
        "",
        "@@RESULT 3",
        '["ok",true]',
        '["passed"]',
        '["ran",0,"10\\n",""]',
        '{"status":0,"cpu_s":0.0,"wall_s":0.0,"lines":""}',
        *(f"PASSED {name}" for name in _NAMES),
        *(f'{{"start":"{name}"}}' for name in _NAMES),
        *(f'{{"test":"{name}","phase":"call","outcome":"passed"}}' for name in _NAMES),
        *(f'{{"end":"{name}"}}' for name in _NAMES),
        *(f'[{{"test":"{name}","phase":"call","outcome":"passed"}}]' for name in _NAMES),
        "",
    ]
)
_TELL = f"import glob, os, sys\nLINES = {_LINES!r}.encode()\n"
_EVERY_DESCRIPTOR = (
    "def tell():\n"
    "    for fd in range(256):\n"
    "        try: os.write(fd, LINES)\n"
    "        except OSError: pass\n"
)
_BY_NAME = (
    "def tell():\n"
    "    for path in glob.glob('/proc/[0-9]*/fd/*'):\n"
    "        try:\n"
    "            if os.readlink(path).startswith(('pipe:', 'socket:')):\n"
    "                os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), LINES)\n"
    "        except OSError: pass\n"
)
_END = "def double(x):\n    tell()\n    os._exit(0)\n"


def _forged(name: str, text: str, kind: Kind, reads: str) -> Attack:
    return program(f"{name}-{kind}", _TELL + text + _END, kind=kind, reads=reads)


ATTACKS: tuple[Attack, ...] = (
    _forged("lines-on-every-descriptor", _EVERY_DESCRIPTOR, "calls", "marker"),
    _forged("lines-on-every-descriptor", _EVERY_DESCRIPTOR, "pytest", "log"),
    _forged("lines-into-the-pipes-of-others", _BY_NAME, "calls", "marker"),
    _forged("lines-into-the-pipes-of-others", _BY_NAME, "pytest", "log"),
    program(
        "lines-on-stdout",
        f"import sys\ndef double(x):\n    print({_LINES!r})\n    sys.exit()\n",
        reads="marker",
    ),
    program(
        "lines-at-the-end",
        f"import atexit\natexit.register(print, {_LINES!r})\ndef double(x):\n    return x - 1\n",
        reads="marker",
    ),
    program(
        "number-on-every-descriptor",
        "import os\n"
        "def double(x):\n"
        "    for fd in range(3, 256):\n"
        "        try: os.write(fd, b'3')\n"
        "        except OSError: pass\n"
        "    os._exit(0)\n",
        reads="pipe",
    ),
    program(
        "number-on-the-descriptor-of-the-environment",
        "import os\n"
        "def double(x):\n"
        "    os.write(int(os.environ['RESULT_FD']), b'3')\n"
        "    os._exit(0)\n",
        reads="pipe",
    ),
    program(
        "report-file-of-pytest",
        f"{_TELL}"
        "for path in ('.hrmgym/report', os.environ.get('HRMGYM_REPORT', 'report')):\n"
        "    try: open(path, 'ab').write(LINES)\n"
        "    except OSError: pass\n"
        "os._exit(0)\n",
        kind="pytest",
    ),
    program(
        "lines-by-a-child-that-goes-on",
        f"{_TELL}{_EVERY_DESCRIPTOR}"
        "def double(x):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        tell()\n"
        "    os._exit(0)\n",
        reads="marker",
    ),
    program(
        "plugin-that-reports-by-itself",
        "import os\n"
        "import _pytest.terminal as t\n"
        "t.TerminalReporter.pytest_runtest_logreport = lambda *_: None\n"
        "old = t.TerminalReporter.pytest_terminal_summary\n"
        "def tell(self, *_, **__):\n"
        f"    self.write_line({_LINES!r})\n"
        "t.TerminalReporter.short_test_summary = tell\n"
        "def double(x):\n    return x - 1\n",
        kind="pytest",
        reads="log",
    ),
    program(
        "answers-of-other-cases-at-once",
        "import os\nos.write(1, b'10\\n42\\n200\\n')\nos._exit(0)\n",
        kind="stdio",
        unshown="no runner takes one line for another",
    ),
)
