"""Operators of the tests' own objects, used by the tested code: the same apart as together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Limits, Outcome, PytestTests

LIMITS = Limits(cpu_s=10.0, wall_s=60.0)
CLASS = """
WANTED = {3: 6}
class Own:
    def __init__(self, n): self.n = n
    def __add__(self, k): return self.n + k if isinstance(k, int) else NotImplemented
    def __radd__(self, k): return k + self.n
    def __iadd__(self, k):
        self.n += k
        return self
    def __mul__(self, k): return self.n * k
    def __pow__(self, k, mod=None): return pow(self.n, k, mod)
    def __lt__(self, other): return self.n < other.n
    def __neg__(self): return -self.n
    def __index__(self): return self.n
    def __round__(self, digits=None): return ("round", digits)
    def __setitem__(self, key, value): self.n = key + value
    def __bool__(self): return self.n != 3
    def __eq__(self, other): return self.n == getattr(other, "n", other)
    def __hash__(self): return hash(self.n)
    def __contains__(self, item): return item == self.n
"""
#: Body of the tested `f` -> what f(Own(3)) is.
RIGHT = {
    "return x + 2": 5,
    "return 2 + x": 5,
    "return sum([x, x])": 6,
    "return x * 2": 6,
    "return x ** 2": 9,
    "return pow(x, 2, 5)": 4,
    "return -x": -3,
    "return [0, 1, 2, 3][x]": 3,
    "return list(range(x))": [0, 1, 2],
    "return int(x), float(x)": (3, 3.0),
    "return round(x, 2)": ("round", 2),
    "x[1] = 4; return x.n": 5,
    "x += 4; return x.n": 7,
    "return x < x": False,
    "return bool(x), not x": (False, True),
    "return x == 3, x != 3, 3 == x, x == 4": (True, False, True, False),
    "return x == x, x in [x], x in [3], [4].count(x)": (True, True, True, 0),
    "return 3 in x, 4 in x": (True, False),
    "return {x: 1}.get(3), 3 in {x}, len({x, 3})": (1, True, 1),
}
#: Body of `f` -> the error that it raises.
WRONG = {
    "return x / 2": "TypeError",
    "return x - 2": "TypeError",
    "return x + 'a'": "TypeError",
    "return ~x": "TypeError",
    "return x >= x": "TypeError",
    "return type(x).__mul__.__globals__['WANTED'][x.n]": "KeyError",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def run(sandbox: Sandbox, body: str, check: str, *, together: bool = False) -> Outcome:
    test = f"import pytest\nfrom lib import f\n{CLASS}\ndef test():\n    {check}\n"
    tests = PytestTests(files={"t.py": test}, ids=("t.py::test",), together=together, tried=True)
    return sandbox.run_tests({"lib.py": f"def f(x):\n    {body}\n"}, tests, LIMITS)


@pytest.mark.parametrize("body", RIGHT)
def test_an_operator_says_the_same(sandbox: Sandbox, body: str) -> None:
    outcome = run(sandbox, body, f"assert f(Own(3)) == {RIGHT[body]!r}")
    assert outcome.resolved, outcome.message
    assert not run(sandbox, body, "assert f(Own(3)) == 'another'").resolved


@pytest.mark.parametrize("body", WRONG)
def test_what_the_class_lacks_is_an_error(sandbox: Sandbox, body: str) -> None:
    outcome = run(sandbox, body, f"pytest.raises({WRONG[body]}, f, Own(3))")
    assert outcome.resolved, outcome.message


def test_an_object_that_has_no_hash_has_none_in_the_code_either(sandbox: Sandbox) -> None:
    own = "type('Bare', (Own,), {'__eq__': Own.__eq__, '__hash__': None, '__module__': __name__})"
    outcome = run(sandbox, "return {x: 1}", f"pytest.raises(TypeError, f, {own}(3))")
    assert outcome.resolved, outcome.message


def test_functions_have_no_operators(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "return x * 2", "pytest.raises(TypeError, f, lambda: 1)")
    assert outcome.resolved, outcome.message


def test_the_whole_table_holds_together_too(sandbox: Sandbox) -> None:
    """Which the tables above take for granted: it is Python that is compared with."""
    code = "\n".join(f"def f{i}(x):\n    {body}" for i, body in enumerate(RIGHT))
    checks = "\n".join(
        f"    assert lib.f{i}(Own(3)) == {v!r}" for i, v in enumerate(RIGHT.values())
    )
    test = f"import lib\n{CLASS}\ndef test():\n{checks}\n"
    tests = PytestTests(files={"t.py": test}, ids=("t.py::test",), together=True)
    outcome = sandbox.run_tests({"lib.py": code}, tests, LIMITS)
    assert outcome.resolved, outcome.message
