"""Ways in which test files come by the code that they test, and the ids of their tests."""

from __future__ import annotations

SOLUTION = """
N = 3
CASES = [1, 2]
TABLE = {"one": 1}
class Box:
    def __init__(self, n): self.n = n
    def twice(self): return 2 * self.n
def double(x): return 2 * x
def test_me(x): return double(x)
class TestMe:
    test = staticmethod(double)
def _hidden(): return 5
"""
WRONG = SOLUTION.replace("2 * ", "5 * ")
_UNITTEST = "import unittest\nfrom solution import Box, double\n"
_CASE = "class T(unittest.TestCase):\n"

#: Name -> test file, names of its tests, and a conftest.py or none.
SHAPES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "from": ("from solution import double\ndef test(): assert double(2) == 4\n", ("test",), ""),
    "as": ("import solution as s\ndef test(): assert s.double(2) == 4\n", ("test",), ""),
    "star": ("from solution import *\ndef test(): assert double(2) == 4 and N == 3\n", ("test",), ""),  # noqa: E501
    "star class": (
        f"from solution import *\nimport unittest\n{_CASE}    def setUp(self): self.b = Box(2)\n"
        "    def test(self): self.assertEqual(self.b.twice(), 4)\n",
        ("T::test",),
        "",
    ),
    "star without private names": (
        "from solution import *\n"
        "def test(): assert double(1) == 2 and '_hidden' not in globals()\n",
        ("test",),
        "",
    ),
    "inside": ("def test():\n    from solution import double\n    assert double(2) == 4\n", ("test",), ""),  # noqa: E501
    "inside as": ("def test():\n    import solution as s\n    assert s.double(2) == 4\n", ("test",), ""),  # noqa: E501
    "import_module": (
        "import importlib\ns = importlib.import_module('solution')\n"
        "def test(): assert s.double(2) == 4\n",
        ("test",),
        "",
    ),
    "import_module inside": (
        "from importlib import import_module\n"
        "def test(): assert import_module('solution').double(2) == 4\n",
        ("test",),
        "",
    ),
    "import_module name": (
        "from importlib import import_module\ndouble = import_module('solution').double\n"
        "def test(): assert double(2) == 4\n",
        ("test",),
        "",
    ),
    "__import__": ("s = __import__('solution')\ndef test(): assert s.double(2) == 4\n", ("test",), ""),  # noqa: E501
    "importorskip": (
        "import pytest\ns = pytest.importorskip('solution')\ndef test(): assert s.double(2) == 4\n",
        ("test",),
        "",
    ),
    "try": (
        "try:\n    from solution import triple\nexcept ImportError:\n    triple = None\n"
        "from solution import double\ndef test(): assert triple is None and double(2) == 4\n",
        ("test",),
        "",
    ),
    "fixture": (
        "import pytest\nfrom solution import Box\n@pytest.fixture\ndef b(): return Box(2)\n"
        "def test(b): assert b.twice() == 4\n",
        ("test",),
        "",
    ),
    "conftest": (
        "def test(b): assert b.twice() == 4\n",
        ("test",),
        "import pytest\nfrom solution import Box\n@pytest.fixture\ndef b(): return Box(2)\n",
    ),
    "conftest inside": (
        "def test(b): assert b.twice() == 4\n",
        ("test",),
        "import pytest\n@pytest.fixture\ndef b():\n    from solution import Box\n"
        "    return Box(2)\n",
    ),
    "conftest star": (
        "def test(b): assert b.twice() == 4\n",
        ("test",),
        "import pytest\nfrom solution import *\n@pytest.fixture\ndef b(): return Box(2)\n",
    ),
    "setUpClass": (
        f"{_UNITTEST}{_CASE}    @classmethod\n    def setUpClass(cls): cls.b = Box(2)\n"
        "    def test(self): self.assertEqual(self.b.twice(), 4)\n",
        ("T::test",),
        "",
    ),
    "setUpModule": (
        f"{_UNITTEST}def setUpModule():\n    global b\n    b = Box(2)\n{_CASE}"
        "    def test(self): self.assertEqual(b.twice(), 4)\n",
        ("T::test",),
        "",
    ),
    "subTest": (
        f"{_UNITTEST}{_CASE}    def test(self):\n        for n in (1, 2):\n"
        "            with self.subTest(n=n): self.assertEqual(double(n), 2 * n)\n",
        ("T::test",),
        "",
    ),
    "setup_method": (
        "from solution import Box\nclass TestBox:\n    def setup_method(self): self.b = Box(2)\n"
        "    def test(self): assert self.b.twice() == 4\n",
        ("TestBox::test",),
        "",
    ),
    "ids": (
        "import pytest\nfrom solution import double\n"
        "@pytest.mark.parametrize('n, e', [(1, 2), pytest.param(2, 4, id='two')])\n"
        "def test(n, e): assert double(n) == e\n",
        ("test[1-2]", "test[two]"),
        "",
    ),
    "ids of the code": (
        "import pytest\nfrom solution import CASES, double\n"
        "@pytest.mark.parametrize('n', CASES)\ndef test(n): assert double(n) == n + n\n",
        ("test[1]", "test[2]"),
        "",
    ),
    "computed ids": (
        "import pytest\nfrom solution import TABLE, double\n"
        "@pytest.mark.parametrize('n', TABLE.values(), ids=TABLE.keys())\n"
        "def test(n): assert double(n) == 2\n",
        ("test[one]",),
        "",
    ),
    "range of parameters": (
        "import pytest, solution\n@pytest.mark.parametrize('n', range(solution.N))\n"
        "def test(n): assert solution.double(n) == n + n\n",
        ("test[0]", "test[1]", "test[2]"),
        "",
    ),
    "text at import": (
        "import pytest, solution\nNAME = f'{solution.N:02}' + 'x' * solution.N\n"
        "def test(): assert NAME == '03xxx' and solution.double(2) == 4\n",
        ("test",),
        "",
    ),
    "numbers at import": (
        "import math, solution\nN = solution.N\nX = math.floor(N), int(N), -N, ~N\n"
        "def test(): assert X == (3, 3, -3, -4) and solution.double(2) == 4\n",
        ("test",),
        "",
    ),
    "names of tests": (
        "from solution import *\nfrom solution import test_me, TestMe\n"
        "def test(): assert test_me(2) == TestMe.test(2) == 4\n",
        ("test",),
        "",
    ),
    "functions as parameters": (
        "import pytest\nfrom solution import double\n"
        "@pytest.mark.parametrize('f', [double])\ndef test(f): assert f(2) == 4\n",
        ("test[double]",),
        "",
    ),
    "generated": (
        "import solution\ndef pytest_generate_tests(metafunc):\n"
        "    metafunc.parametrize('n', solution.CASES)\n"
        "def test(n): assert solution.double(n) == n + n\n",
        ("test[1]", "test[2]"),
        "",
    ),
    "at import": ("from solution import double\nX = double(2)\ndef test(): assert X == 4\n", ("test",), ""),  # noqa: E501
    "partial": (
        "from functools import partial\nfrom solution import double\ntwo = partial(double, 2)\n"
        "def test(): assert two() == 4\n",
        ("test",),
        "",
    ),
    "table": (
        "from solution import double\nTABLE = [(double, 2, 4)]\n"
        "def test():\n    for f, n, e in TABLE: assert f(n) == e\n",
        ("test",),
        "",
    ),
    "class attribute": (
        "from solution import double\nclass TestIt:\n    f = staticmethod(double)\n"
        "    def test(self): assert self.f(2) == 4\n",
        ("TestIt::test",),
        "",
    ),
    "hasattr": (
        "import pytest\nimport solution\n"
        "@pytest.mark.skipif(not hasattr(solution, 'triple'), reason='none')\n"
        "def test_triple(): assert 0\ndef test(): assert solution.double(2) == 4\n",
        ("test_triple", "test"),
        "",
    ),
    "getattr": (
        "import solution\ntriple = getattr(solution, 'triple', None)\n"
        "def test(): assert triple is None and solution.double(2) == 4\n",
        ("test",),
        "",
    ),
    "is": (
        "from solution import N, double\nHAS = N is not None\n"
        "def test(): assert HAS and double(N) == 6\n",
        ("test",),
        "",
    ),
    "isinstance": (
        "from solution import CASES, double\nHAS = isinstance(CASES, list)\n"
        "def test(): assert HAS and double(1) == 2\n",
        ("test",),
        "",
    ),
    "equal": (
        "from solution import N, double\nHAS = [N] == [3] and N in {3: 1}\n"
        "def test(): assert HAS and double(1) == 2\n",
        ("test",),
        "",
    ),
    "changed module": (
        "import pytest, solution\n@pytest.fixture(autouse=True)\ndef changed():\n"
        "    solution.N = 7\n    yield\n    solution.N = 3\n"
        "def test(): assert solution.N == 7 and solution.double(1) == 2\n",
        ("test",),
        "",
    ),
    "sys.path": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport solution\n"
        "def test(): assert solution.double(2) == 4\n",
        ("test",),
        "",
    ),
}  # fmt: skip
