"""Changing the tests, or what they are made of, from within the process that runs them."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, program

_WRONG = "def double(x):\n    return x - 1\n"


def _calls(name: str, text: str, **options: object) -> Attack:
    return program(name, text + _WRONG, **options)


def _pytest(name: str, text: str, **options: object) -> Attack:
    return program(name, text + _WRONG, kind="pytest", **options)


ATTACKS: tuple[Attack, ...] = (
    _calls("patched-sum", "import builtins\nbuiltins.sum = lambda *_: 3\n"),
    _calls(
        "patched-len",
        "import builtins\nold = len\n"
        "builtins.len = lambda one: 0 if type(one) is list else old(one)\n",
    ),
    _calls("patched-exit", "import sys\nsys.exit = lambda *_: None\n"),
    _calls("patched-json", "import json\njson.loads = lambda *_: []\n"),
    _calls("patched-operator", "import operator\noperator.eq = lambda *_: True\n"),
    _calls(
        "patched-print",
        "import builtins\nold = print\nbuiltins.print = lambda *_: old('@@RESULT 3', flush=True)\n",
        reads="marker",
    ),
    _calls(
        "patched-encoders",
        "import json, sys\n"
        "class Lie(int):\n    def __ne__(self, other): return False\n"
        "json.dumps = lambda *_, **__: '3'\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    for name in ('encode', 'same', 'send', 'sum', '_encode'):\n"
        "        frame.f_globals[name] = lambda *_, **__: Lie(3)\n"
        "    frame = frame.f_back\n",
    ),
    _calls(
        "integers-with-other-values",
        "import ctypes\n"
        "for right, wrong in ((114, 56), (166, 82), (202, 100)):\n"
        "    ctypes.c_int32.from_address(id(right) + 24).value = wrong\n",
    ),
    _pytest(
        "patched-running-of-tests",
        "import _pytest.python, _pytest.unittest\n"
        "_pytest.python.Function.runtest = lambda self: None\n"
        "_pytest.unittest.TestCaseFunction.runtest = lambda self: None\n",
    ),
    _pytest(
        "patched-reports",
        "import _pytest.reports\n"
        "old = _pytest.reports.TestReport.__init__\n"
        "def new(self, nodeid, location, keywords, outcome, *rest, **named):\n"
        "    old(self, nodeid, location, keywords, 'passed', *rest, **named)\n"
        "_pytest.reports.TestReport.__init__ = new\n",
    ),
    _pytest(
        "patched-count-of-failures",
        "import _pytest.main\n"
        "_pytest.main.Session.testsfailed = property(lambda s: 0, lambda s, v: None)\n",
    ),
    _pytest(
        "patched-assertions-of-unittest",
        "import unittest\nunittest.TestCase.assertEqual = lambda *_, **__: None\n",
        styles=("unittest",),
    ),
    _pytest(
        "patched-result-of-unittest",
        "import _pytest.unittest as u\n"
        "u.TestCaseFunction.addFailure = u.TestCaseFunction.addSuccess\n"
        "u.TestCaseFunction.addFailure = lambda *_: None\n",
        styles=("unittest",),
    ),
    _pytest(
        "assertion-error-that-skips",
        "import builtins, pytest\nbuiltins.AssertionError = pytest.skip.Exception\n",
        styles=("plain", "params", "fixture"),
    ),
    _pytest(
        "trace-function",
        "import sys\n"
        "from unittest.mock import ANY\n"
        "def trace(frame, event, arg):\n"
        "    if frame.f_code.co_name.startswith('test_'):\n"
        "        frame.f_globals['double'] = lambda x: ANY\n"
        "sys.settrace(trace)\n",
    ),
    _pytest(
        "profile-function",
        "import sys\n"
        "from unittest.mock import ANY\n"
        "def profile(frame, event, arg):\n"
        "    if frame.f_code.co_name.startswith('test_'):\n"
        "        frame.f_globals['double'] = lambda x: ANY\n"
        "sys.setprofile(profile)\n",
    ),
    program(
        "other-code-for-the-tests",
        "import gc, pytest, types\n"
        "def nothing(*args): pass\n"
        "def double(x):\n"
        "    for one in gc.get_objects():\n"
        "        if isinstance(one, types.FunctionType) and one.__name__.startswith('test_'):\n"
        "            count = one.__code__.co_argcount\n"
        "            names = one.__code__.co_varnames[:count]\n"
        "            space = {}\n"
        "            exec(f'def f({\",\".join(names)}): pass', space)\n"
        "            one.__code__ = space['f'].__code__\n"
        "    pytest.skip('the first')\n",
        kind="pytest",
    ),
    _pytest(
        "import-hook",
        "import sys, pytest\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        frame = sys._getframe()\n"
        "        while frame:\n"
        "            frame.f_globals.setdefault('pytestmark', pytest.mark.skip)\n"
        "            frame = frame.f_back\n"
        "sys.meta_path.insert(0, Finder())\n"
        "try:\n    import no_such_module\nexcept ImportError:\n    pass\n",
    ),
    _pytest(
        "other-modules-in-sys-modules",
        "import sys, types\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    name = frame.f_globals.get('__name__', '')\n"
        "    if name.rpartition('.')[2].startswith('test_'):\n"
        "        sys.modules[name] = other = types.ModuleType(name)\n"
        "        other.__file__ = frame.f_globals['__file__']\n"
        "        other.__spec__ = frame.f_globals['__spec__']\n"
        "        other.test_nothing = lambda: None\n"
        "    frame = frame.f_back\n",
    ),
    _pytest(
        "rewritten-comparisons",
        "import _pytest.assertion.rewrite as r, pytest\n"
        "r._should_repr_global_name = lambda _: False\n"
        "def skip(*_, **__): pytest.skip('compared')\n"
        "r._call_reprcompare = r._format_explanation = skip\n",
        styles=("plain", "params", "fixture"),
    ),
)
