"""Ending the process of the tests, or a test, before it can fail."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, program

_CALL = "def double(x):\n    "


def _both(name: str, text: str) -> tuple[Attack, Attack]:
    """The same program, judged by calls and by pytest."""
    calls = program(f"{name}-calls", text)
    return calls, program(f"{name}-pytest", text, kind="pytest")


ATTACKS: tuple[Attack, ...] = (
    *_both("exit-while-loading", "import os\nos._exit(0)\n"),
    *_both("exit-when-called", f"import os\n{_CALL}os._exit(0)\n"),
    *_both("atexit", "import atexit, os\natexit.register(os._exit, 0)\ndouble = abs\n"),
    *_both("exec-of-true", f"import os\n{_CALL}os.execvp('true', ['true'])\n"),
    *_both(
        "exit-by-signal",
        "import os, signal\n"
        "def double(x):\n"
        "    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
        "    while True: pass\n",
    ),
    *_both(
        "exit-by-thread",
        "import os, threading\n"
        "threading.Timer(0.05, os._exit, (0,)).start()\n"
        "def double(x):\n    while True: pass\n",
    ),
    *_both(
        "exit-of-a-finalizer",
        "import os, sys\n"
        "class Last:\n    def __del__(self, end=os._exit): end(0)\n"
        "sys.last = Last()\ndouble = abs\n",
    ),
    *_both(
        "exit-of-the-parent-while-a-child-goes-on",
        f"import os\n{_CALL}if os.fork(): os._exit(0)\n    return x - 1\n",
    ),
    program("system-exit-while-loading", "raise SystemExit(0)\n"),
    program("system-exit-when-called", f"import sys\n{_CALL}sys.exit(0)\n"),
    program("exit-of-pytest", f"import pytest\n{_CALL}pytest.exit('enough', 0)\n", kind="pytest"),
    program(
        "interrupt-and-exit",
        "import _pytest.main, os\n"
        "_pytest.main.Session.shouldstop = property(lambda s: os._exit(0), lambda s, v: None)\n"
        "def double(x):\n    raise KeyboardInterrupt\n",
        kind="pytest",
    ),
    # --- no test fails that does not run ---
    program("skip", f"import pytest\n{_CALL}pytest.skip('too hard')\n", kind="pytest"),
    program(
        "skip-of-unittest", f"import unittest\n{_CALL}raise unittest.SkipTest\n", kind="pytest"
    ),
    program("xfail", f"import pytest\n{_CALL}pytest.xfail('known')\n", kind="pytest"),
    program(
        "import-or-skip", f"import pytest\n{_CALL}pytest.importorskip('no_such')\n", kind="pytest"
    ),
    *(
        program(
            f"{mark}-mark-on-the-test-module",
            "import pytest, sys\n"
            "frame = sys._getframe()\n"
            "while frame:\n"
            f"    frame.f_globals.setdefault('pytestmark', [pytest.mark.{mark}])\n"
            "    frame = frame.f_back\n"
            "def double(x):\n    return x - 1\n",
            kind="pytest",
        )
        for mark in ("skip", "xfail")
    ),
    program(
        "no-tests-collected",
        "import sys, _pytest.main\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    if frame.f_globals.get('__name__') == 'test_hidden':\n"
        "        frame.f_globals['__test__'] = False\n"
        "    frame = frame.f_back\n"
        "_pytest.main.Session.testscollected = property(lambda s: 1, lambda s, v: None)\n"
        "double = abs\n",
        kind="pytest",
    ),
    program(
        "exit-code-of-stdio", "import os\nos._exit(0)\n", kind="stdio", unshown="prints nothing"
    ),
)
