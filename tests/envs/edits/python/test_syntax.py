"""Every edit is a program, of the tree that it claims, in whatever syntax it is made."""

from __future__ import annotations

import ast
import random
import textwrap
from pathlib import Path

import pytest

from hrmgym.envs import make_benchmark
from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.edits.source import parse
from hrmgym.tests.envs.edits.python.changes import check_changes
from hrmgym.tests.envs.edits.python.texts import FUNCTION, functions_of

ALL = 1 << 30
#: Functions with one of most of Python's syntax, in layouts that are rarely seen.
CONSTRUCTS = (Path(__file__).parent / "constructs.txt").read_text("utf-8").split("----\n")

#: Lines of `def f(x, y):` where another expression, or another place, needs other syntax.
DELICATE = [
    "return f((a for a in y), x)",
    "return f(a for a in y)",  # its parentheses are the call's
    "return f(*x, **y)",
    "return x[1:2, y], x[*y]",  # a slice never has parentheses
    "return(x)if(y)else(1)",  # a word needs a blank beside another one
    "return 1if x else[y]",
    "if(x)and(y)or not(x): return y",
    "return x or'b'in y",
    "return [a for a in x if(y)if a]",
    "with x: pass\nreturn x, y",  # `with (x, y):` would be two items
    "with (x): pass\nreturn (x, y)",
    "(x): int = 1",
    "return *x, y",
    "for a in *x, y: print(a)",
    "x = yield\nx = (yield x), 1",
    "return f'{x!r:>{y}} {x=}' 'b'",
    "return lambda: (yield)",
    "try: x()\nexcept* OSError: print(y)",  # no jump leaves it
    "n = [1]\ndef g():\n    nonlocal n\n    n = y\nreturn g",  # an outer function has to bind it
    "x.a(x)\nglobal n\nn = y",  # no use of it before
    "b = 1\nreturn [c for b in y if (c := b)]",
    "return {**x, 'a': y}, {*x, y}, -x ** -y, (-x) ** 1 .real",
    "return (x\n        + y).a, [x\n           .a]",
]
#: The same of `async def f(x, y):`.
DELICATE_ASYNC = [
    "def g():\n    z = yield\n    return z\nreturn x",
    "def g():\n    yield x\n    yield from y\nreturn g",  # what returns a value may not yield
    "def g():\n    b = x\n    return b\nreturn [a async for a in y]",
    "yield await x\ndef g(a):\n    return a",
    "return (await x) ** 2, -await y",
]


def function(lines: str, head: str = "def f(x, y):") -> str:
    return f"{head}\n{textwrap.indent(lines, '    ')}\n"


@pytest.mark.parametrize(
    "text",
    [
        *(function(lines) for lines in DELICATE),
        *(function(lines, "async def f(x, y):") for lines in DELICATE_ASYNC),
    ],
)
def test_delicate_syntax_takes_every_edit(text: str) -> None:
    assert check_changes(text, 15)


@pytest.mark.nightly
@pytest.mark.parametrize("text", CONSTRUCTS)
def test_constructs_take_every_edit(text: str) -> None:
    check_changes(text, ALL)


def test_constructs_take_some_edits() -> None:
    assert len(CONSTRUCTS) > 35
    for text in CONSTRUCTS[::4]:
        check_changes(text, 1)


def test_a_function_with_much_in_it_takes_edits_of_all_kinds() -> None:
    assert check_changes(FUNCTION, 4) > 150


def test_edits_of_benchmark_programs() -> None:
    tasks = [
        *make_benchmark("quixbugs").tasks("test")[::7],
        *make_benchmark("katas").tasks("test")[::60],
    ]
    for task in tasks:
        for path in task.editable:
            assert check_changes(task.workspace.files[path], 1, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["quixbugs", "katas"])
def test_edits_of_all_benchmark_programs(name: str) -> None:
    for task in make_benchmark(name).tasks("test"):
        for path in task.editable:
            assert check_changes(task.workspace.files[path], 10)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_edits_of_library_functions(seed: int) -> None:
    draw = random.Random(seed)
    library = Path(textwrap.__file__).parent
    files = sorted([*library.glob("*.py"), *library.glob("[aeij]*/*.py")])
    for path in draw.sample(files, 60):
        functions = functions_of(path)
        for text in draw.sample(functions, min(2, len(functions))):
            check_changes(text, 6, seed)


#: (lines, the same lines with an argument more or less)
ARGUMENTS = [
    ("return max(a for a in y)", "return max((a for a in y), x)"),
    ("return f(a for a in y)", "return f(x, (a for a in y))"),
    ("return x(a for a in y), y(key=x)", "return x((a for a in y), key=x), y(key=x)"),
    ("return x(a for a in y)", "return x()"),
    ("return x((a for a in y), y)", "return x(a for a in y)"),
]


@pytest.mark.parametrize(("before", "after"), ARGUMENTS)
def test_a_generator_beside_other_arguments_has_parentheses(before: str, after: str) -> None:
    text = function(before)
    found = legal_edits(text).find(function(after))
    assert found is not None
    compile(apply(text, found.edit), "<edited>", "exec", dont_inherit=True)


#: Statements, expressions and patterns of Python's grammar.
GRAMMAR = """
FunctionDef AsyncFunctionDef ClassDef Return Delete Assign AugAssign AnnAssign For AsyncFor While If
With AsyncWith Match Raise Try TryStar Assert Import ImportFrom Global Nonlocal Expr Pass Break
Continue BoolOp NamedExpr BinOp UnaryOp Lambda IfExp Dict Set ListComp SetComp DictComp GeneratorExp
Await Yield YieldFrom Compare Call FormattedValue JoinedStr Constant Attribute Subscript Starred
Name List Tuple Slice MatchValue MatchSingleton MatchSequence MatchMapping MatchClass MatchStar
MatchAs MatchOr
"""


def test_constructs_hold_every_kind_of_statement_and_expression() -> None:
    seen = {type(node).__name__ for text in CONSTRUCTS for node in ast.walk(parse(text).tree)}
    assert set(GRAMMAR.split()) - seen == set()
