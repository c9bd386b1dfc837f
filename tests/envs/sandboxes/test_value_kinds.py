"""Values that tests hand to the tested code, and get from it, from another process: what holds of
them is what holds of them within one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hrmgym.envs.outcome import Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.sandboxes.verdicts import together
from hrmgym.envs.task import Limits, PytestTests

LIMITS = Limits(cpu_s=20.0, wall_s=120.0)
IMPORTS = """
import bisect, calendar, collections, dataclasses, datetime, decimal, enum, fractions, functools
import http, io, ipaddress, itertools, json, math, operator, os, pathlib, random, re, string, time
import types, typing, uuid, zoneinfo
"""
OWN = """
class Own:
    def __init__(self, n): self.n = n
    def more(self): return self.n + 1
    limit = 9
class Colour(enum.Enum):
    RED = 1
Pair = collections.namedtuple("Pair", "a b")
@dataclasses.dataclass
class Data:
    x: int
"""
#: Expression -> what holds of its value `v`: where it is handed over, and where it is got.
DATA = {
    "pathlib.Path('a/b.txt')": "v.name == 'b.txt' and isinstance(v, pathlib.PurePath)",
    "pathlib.PurePosixPath('/a')": "v.is_absolute()",
    "pathlib.PureWindowsPath('c:/a')": "v.drive == 'c:'",
    "uuid.UUID(int=5)": "v.int == 5 and str(v).endswith('5')",
    "decimal.Decimal('1.50')": "str(v) == '1.50' and v + 1 == decimal.Decimal('2.5')",
    "decimal.Decimal('Infinity')": "v > 10**9",
    "fractions.Fraction(1, 3)": "v.denominator == 3 and 3 * v == 1",
    "datetime.date(2020, 1, 2)": "v.day == 2",
    "datetime.datetime(2020, 1, 2, 3)": "v.hour == 3",
    "datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)": "v.tzname() == 'UTC'",
    "datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), 'x'))": "v.tzname() == 'x'",  # noqa: E501
    "datetime.datetime(2020, 7, 2, fold=1, tzinfo=zoneinfo.ZoneInfo('UTC'))": "v.tzinfo.key == 'UTC' and v.fold == 1",  # noqa: E501
    "datetime.time(1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-3)))": "v.utcoffset().days == -1",  # noqa: E501
    "datetime.timedelta(1)": "v.days == 1",
    "datetime.timezone.utc": "v.utcoffset(None).seconds == 0",
    "datetime.timezone(datetime.timedelta(hours=1))": "v.utcoffset(None).seconds == 3600",
    "zoneinfo.ZoneInfo('UTC')": "v.key == 'UTC'",
    "range(0, 9, 3)": "list(v) == [0, 3, 6]",
    "slice(1, 3)": "[1, 2, 3][v] == [2, 3]",
    "...": "v is ...",
    "1j": "v.imag == 1",
    "float('-inf')": "v < -1e300",
    "10**50": "v % 7 == 10**50 % 7",
    "b'ab'": "v[0] == 97",
    "bytearray(b'ab')": "v[0] == 97",
    "frozenset([1])": "1 in v",
    "{1, 2}": "len(v) == 2",
    "re.compile('a+', re.I)": "v.match('AA') and not v.match('b')",
    "re.compile(b'a')": "v.match(b'a')",
    "re.I | re.M": "bool(v & re.I)",
    "http.HTTPStatus.OK": "v == 200 and v.phrase == 'OK'",
    "calendar.MONDAY": "v == 0",
    "ipaddress.ip_address('1.2.3.4')": "v.version == 4",
    "ipaddress.ip_network('10.0.0.0/8')": "v.prefixlen == 8",
    "ipaddress.ip_interface('::1/64')": "v.version == 6",
    "time.gmtime(0)": "v.tm_year == 1970",
    "collections.deque([1], 3)": "v.maxlen == 3",
    "collections.Counter('aab')": "v['a'] == 2",
    "collections.defaultdict(list, a=[1])": "v['a'] == [1] and v.default_factory is list",
    "collections.OrderedDict(a=1)": "list(v) == ['a']",
    "types.SimpleNamespace(a=1, b=[2])": "v.a == 1 and v.b == [2]",
    "types.MappingProxyType({'a': 1})": "v['a'] == 1",
    "{'a': 1}.keys()": "v == {'a'}",
    "{'a': 1}.items()": "list(v) == [('a', 1)]",
    "{'a': 1}.values()": "list(v) == [1]",
    "int": "v('3') == 3",
    "type(None)": "isinstance(None, v)",
    "ValueError": "issubclass(v, Exception)",
    "datetime.date": "v is datetime.date",
    "collections.OrderedDict": "v(a=1)['a'] == 1",
    "uuid.UUID": "v is uuid.UUID",
    "decimal.Decimal": "v is decimal.Decimal",
    "len": "v is len",
    "operator.add": "v is operator.add and v(1, 2) == 3",
    "math.sqrt": "v is math.sqrt and v(4) == 2",
    "ValueError('x', 1)": "v.args == ('x', 1)",
}
#: The same of values that are functions or objects: got from the tested code they stay there.
OBJECTS = {
    "str.upper": "v('ab') == 'AB'",
    "list.append": "v([], 1) is None",
    "int.__add__": "v(1, 2) == 3",
    "dict.fromkeys": "v('a') == {'a': None}",
    "', '.join": "v(['a', 'b']) == 'a, b'",
    "[3].index": "v(3) == 0",
    "datetime.datetime.strptime": "v('2020', '%Y').year == 2020",
    "fractions.Fraction.limit_denominator": "v(fractions.Fraction(1, 3), 2) == 0.5",
    "operator.itemgetter(1)": "v((1, 2)) == 2",
    "operator.itemgetter('a', 'b')": "v(dict(a=1, b=2)) == (1, 2)",
    "operator.attrgetter('real')": "v(2) == 2",
    "operator.methodcaller('split', ',')": "v('a,b') == ['a', 'b']",
    "functools.partial(int, base=2)": "v('11') == 3",
    "functools.partial(lambda a, b: a + b, 1)": "v(2) == 3",
    "(lambda x: x + 1)": "v(1) == 2",
    "functools.lru_cache(lambda x: x + 1)": "v(1) == 2",
    "json.dumps": "v([1]) == '[1]'",
    "math": "v.floor(1.5) == 1",
    "os.path": "v.join('a', 'b') == 'a/b'",
    "string.Template('$x')": "v.substitute(x=1) == '1'",
    "iter([1, 2])": "list(v) == [1, 2]",
    "(x for x in [1, 2])": "list(v) == [1, 2]",
    "zip([1], [2])": "list(v) == [(1, 2)]",
    "itertools.count()": "next(v) == 0",
    "io.StringIO('a')": "v.read() == 'a'",
    "random.Random(3)": "v.random() == random.Random(3).random()",
}
#: What the tested code can only be handed.
HANDED = {
    "Own": "v(3).n == 3 and v.limit == 9",
    "Own(4)": "v.n == 4 and v.more() == 5",
    "Colour.RED": "v.value == 1 and v.name == 'RED'",
    "Pair(1, 2)": "v.a == 1 and v == (1, 2) and v._replace(a=5)[0] == 5",
    "Data(1)": "v.x == 1",
    "json.JSONDecodeError('m', 'd', 0)": "isinstance(v, json.JSONDecodeError)",
    "object()": "v is not None",
    "list[int]": "v.__origin__ is list",
    "typing.Optional[int]": "int in v.__args__",
    "int | str": "isinstance(1, v)",
    "memoryview(b'ab')": "len(v) == 2",
}
CASES = {**DATA, **OBJECTS, **HANDED}


def _path(expression: str) -> str:
    return f"test_{list(CASES).index(expression)}.py"


def kind_of(expression: str) -> PytestTests:
    number = list(CASES).index(expression)
    is_data, is_handed = expression in DATA, expression in HANDED
    text = f"""{IMPORTS}{OWN}
import solution
def value(): return {expression}
def test_handed_over(): assert solution.holds({number}, value())
def test_in_containers():
    assert solution.holds_within({number}, [value(), (value(),), {{'k': value()}}])
def test_got(): {"return" if is_handed else ""}
    v = solution.give({number})
    assert {CASES[expression]}
    w = value()
    assert not {is_data} or (type(v) is type(w) and (w != value() or v == w))
def test_got_within(): {"return" if is_handed else ""}
    a, (b,), c = solution.give_within({number})
    for v in (a, b, c['k']):
        assert {CASES[expression]}
def test_same():
    v = value()
    assert solution.same(v) is v or solution.same(v) == v or type(v) is type({{}}.values())
"""
    text = text.replace(": return\n", ":\n    return\n").replace(": \n", ":\n")
    names = ["handed_over", "in_containers", "got", "got_within", "same"]
    path = _path(expression)
    return PytestTests(files={path: text}, ids=tuple(f"{path}::test_{one}" for one in names))


RIGHT = f"""{IMPORTS}
HOLDS = [{", ".join(f"lambda v: {use}" for use in CASES.values())}]
MAKES = [{", ".join(f"lambda: {e}" if e not in HANDED else "None" for e in CASES)}]
def holds(n, v): return bool(HOLDS[n](v))
def holds_within(n, vs): return all(holds(n, v) for v in (vs[0], vs[1][0], vs[2]['k']))
def give(n): return MAKES[n]()
def give_within(n): return [MAKES[n](), (MAKES[n](),), {{'k': MAKES[n]()}}]
def same(v): return v
"""
WRONG = (
    RIGHT
    + """
def holds(n, v): return not HOLDS[n](v)
def give(n): return "wrong"
def give_within(n): return ["wrong", ("wrong",), {'k': "wrong"}]
def same(v): return "wrong"
"""
)
#: Equal to everything, in as many ways as there are.
HOSTILE = (
    RIGHT
    + """
class Equal:
    def __eq__(self, other): return True
    __lt__ = __gt__ = __le__ = __ge__ = __contains__ = __bool__ = __eq__
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __call__(self, *args, **kwargs): return self
    def __getattr__(self, name): return self
    def __getitem__(self, key): return self
    def __iter__(self): return iter([self])
    def __len__(self): return 1
    __class__ = property(lambda self: int)
def give(n): return Equal()
def give_within(n): return [Equal(), (Equal(),), {'k': Equal()}]
def same(v): return Equal()
"""
)


Statuses = Mapping[str, Mapping[str, Status]]


@pytest.fixture(scope="module")
def found() -> tuple[Statuses, Statuses]:
    """Program -> test -> status, apart from the code, and as cold pytest in one process has it."""
    every = [kind_of(one) for one in CASES]
    whole = PytestTests(
        files={path: text for tests in every for path, text in tests.files.items()},
        ids=tuple(name for tests in every for name in tests.ids),
    )
    assert together.reason(whole) == ""
    with Sandbox() as sandbox:
        apart = {}
        whole = replace(whole, tried=True)
        for code in (RIGHT, WRONG, HOSTILE):
            outcome = sandbox.run_tests({"solution.py": code}, whole, LIMITS)
            assert outcome.failure is None
            apart[code] = outcome.tests
        one = replace(whole, together=True)
        cold = {c: sandbox.run_tests({"solution.py": c}, one, LIMITS).tests for c in (RIGHT, WRONG)}
    return apart, cold


@pytest.mark.parametrize("expression", CASES)
def test_values_cross(found: tuple[Statuses, Statuses], expression: str) -> None:
    apart, cold = found
    ids = kind_of(expression).ids
    for code in (RIGHT, WRONG):
        assert [apart[code][one] for one in ids] == [cold[code][one] for one in ids]
    assert {apart[RIGHT][one] for one in ids} == {Status.PASSED}
    fooled = [one.rpartition("::")[2] for one in ids if apart[HOSTILE][one] is Status.PASSED]
    got = ["test_got", "test_got_within"] if expression in HANDED else []
    assert fooled == ["test_handed_over", "test_in_containers", *got]
