"""What pytest would collect of the tested code, because a test file names it like a test.

Apart from the tested code it is never collected: such a name is what the tests ask about. Where an
id selects it, the tests run together instead, once that was tried on the known solution.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hrmgym.envs.outcome import FailureCode
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts.trial import try_out
from hrmgym.envs.task import Limits, PytestTests

LIMITS = Limits(cpu_s=10.0, wall_s=60.0)
CODE = """
import functools, unittest, enum
def test_prime(n=7): return n == 7
def test_needs(n): return n
def testable(x): return x
def test_plain(): pass
class TestThing:
    def test_x(self): pass
class TestInit:
    def __init__(self, n): self.n = n
    def test_x(self): assert 0
class TestNot:
    __test__ = False
    def test_x(self): assert 0
class TestKind(enum.Enum):
    A = 1
class TestError(Exception):
    def test_x(self): assert 0
class Case(unittest.TestCase):
    def test_c(self): self.assertEqual(1, 1)
class Other(Case):
    pass
test_value = 3
test_lambda = lambda: None
test_partial = functools.partial(test_prime, 7)
def setup_function(): raise AssertionError
"""
#: Names of the tested code that a test file has, though no id selects them.
HARMLESS = {
    "function": "from m import test_prime\ndef test_a(): assert test_prime(7)\n",
    "with an argument": "from m import test_needs\ndef test_a(): assert test_needs(7)\n",
    "begins with test": "from m import testable\ndef test_a(): assert testable(1)\n",
    "alias": "from m import testable as test_it\ndef test_a(): assert test_it(1)\n",
    "class": "from m import TestThing\ndef test_a(): TestThing().test_x()\n",
    "case": "from m import Case\ndef test_a(): assert issubclass(Case, object)\n",
    "lambda": "from m import test_lambda\ndef test_a(): assert test_lambda() is None\n",
    "assigned": "import m\ntest_q = m.test_prime\ndef test_a(): assert test_q(7)\n",
    "in a try": "try:\n    from m import test_prime\nexcept ImportError:\n    test_prime = None\n"
    "def test_a(): assert test_prime(7)\n",
    "late": "from m import test_plain, testable\nx = testable(3)\ndef test_a(): assert x == 3\n",
    "static": "import m\nclass Holder:\n    test_z = staticmethod(m.test_prime)\n"
    "def test_a(): assert Holder.test_z(7)\n",
}
#: Names that pytest does not collect: a file's id selects the file's own test alone.
UNCOLLECTED = {
    "value": "from m import test_value\ndef test_a(): assert test_value == 3\n",
    "constructor": "from m import TestInit\ndef test_a(): assert TestInit(3).n == 3\n",
    "__test__": "from m import TestNot\ndef test_a(): assert TestNot\n",
    "enum": "from m import TestKind\ndef test_a(): assert TestKind.A.value == 1\n",
    "exception": "from m import TestError\ndef test_a(): assert issubclass(TestError, Exception)\n",
    "other name": "from m import test_prime as prime\ndef test_a(): assert prime(7)\n",
    "module": "import m\ndef test_a(): assert m.test_prime(7)\n",
}
#: Test file -> an id that selects what pytest collects of the tested code.
COLLECTED = {
    ("from m import test_plain\n", "t.py::test_plain"),
    ("from m import test_prime as test_it\n", "t.py::test_it"),
    ("from m import TestThing\n", "t.py::TestThing"),
    ("from m import TestThing\n", "t.py::TestThing::test_x"),
    ("from m import Other\n", "t.py::Other::test_c"),
    ("from m import Case\ndef test_a(): pass\n", "t.py"),
    ("from m import test_plain\ndef test_a(): pass\n", "t.py"),
    ("from m import test_partial\ndef test_a(): pass\n", "t.py"),
    ("import m\nclass TestQ:\n    test_z = staticmethod(m.test_plain)\n", "t.py::TestQ::test_z"),
    ("import m\ntest_q = m.test_plain\n", "t.py::test_q"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_unselected_names_do_no_harm(sandbox: Sandbox, text: str) -> None:
    tests = PytestTests(files={"t.py": text}, ids=("t.py::test_a",))
    outcome = sandbox.run_tests({"m.py": CODE}, tests, LIMITS)
    assert outcome.resolved, outcome.message


@pytest.mark.parametrize("text", UNCOLLECTED.values(), ids=UNCOLLECTED)
def test_what_pytest_does_not_collect(sandbox: Sandbox, text: str) -> None:
    tests = PytestTests(files={"t.py": text}, ids=("t.py",))
    outcome = sandbox.run_tests({"m.py": CODE}, tests, LIMITS)
    assert outcome.resolved, outcome.message


@pytest.mark.parametrize(("text", "name"), sorted(COLLECTED))
def test_what_pytest_collects(sandbox: Sandbox, text: str, name: str) -> None:
    tests = PytestTests(files={"t.py": text}, ids=(name,))
    apart = sandbox.run_tests({"m.py": CODE}, tests, LIMITS)
    assert apart.failure is FailureCode.CANNOT_CROSS
    assert "the tested code's, for a test" in apart.message
    known = try_out(tests, {"m.py": CODE}, LIMITS, sandbox)
    assert isinstance(known, PytestTests)
    assert isinstance(known.together, str)
    assert "for a test" in known.together
    assert sandbox.run_tests({"m.py": CODE}, known, LIMITS).resolved
