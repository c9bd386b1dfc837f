"""Parsers of test logs, on logs that the tools themselves have written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrmgym.envs.outcome import Status
from hrmgym.envs.testkinds.parsers import (
    Log,
    LogParser,
    Told,
    parser_named,
    parser_names,
    register_parser,
)
from hrmgym.errors import ConfigError, UnknownNameError

LOGS = Path(__file__).with_name("logs")
P, F, E, S = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED

#: File -> parser, exit code, and what it says.
REAL: dict[str, tuple[str, int, dict[str, Status]]] = {
    "pytest.txt": (
        "pytest",
        1,
        {
            "test_t.py::test_a": P,
            "test_t.py::test_b": F,
            "test_t.py::test_c": S,
            "test_t.py::test_d": S,
            "test_t.py::test_e": P,
            "test_t.py::test_p[a b]": P,
            "test_t.py::test_p[c - d]": P,
            r"test_t.py::test_p[\xe9\n]": P,
            "test_t.py::test_t": E,
            "test_t.py::test_s": E,
            "test_t.py::TestK::test_m": F,
        },
    ),
    "unittest.txt": (
        "unittest",
        1,
        {
            "test_u.T.test_bad": F,
            "test_u.T.test_doc": P,
            "test_u.T.test_err": E,
            "test_u.T.test_ok": P,
            "test_u.T.test_print": P,
            "test_u.T.test_skip": S,
            "test_u.T.test_sub": F,
            "test_u.T.test_us": F,
            "test_u.T.test_xf": S,
        },
    ),
    "django.txt": (
        "unittest",
        1,
        {
            "polls.tests.PollTests.test_bad": F,
            "polls.tests.PollTests.test_later": S,
            "polls.tests.PollTests.test_ok": P,
            "polls.tests.Broken.setUpClass": E,
            "polls.tests.Plain.test_plain": P,
        },
    ),
    "go.txt": (
        "go",
        1,
        {
            "example.com/ledger::TestAdd": F,
            "example.com/ledger::TestZero": P,
            "example.com/ledger::TestTable": P,
            "example.com/ledger::TestTable/n=0_x": P,
            "example.com/ledger::TestTable/n=1_x": P,
            "example.com/ledger::TestSkip": S,
            "example.com/ledger::ExampleAdd": P,
            "example.com/ledger/sub::TestAdd": P,
            "example.com/ledger/sub::TestPar": P,
            "example.com/ledger/sub::TestPar/a": P,
            "example.com/ledger/sub::TestPar/b": P,
        },
    ),
    "cargo.txt": (
        "cargo",
        101,
        {
            "src/lib.rs::tests::one": F,
            "src/lib.rs::tests::panics": P,
            "src/lib.rs::tests::slow": S,
            "src/lib.rs::tests::zero": P,
            "tests/outer.rs::outer_works": P,
            "Doc-tests::src/lib.rs - doc (line 2)": P,
        },
    ),
    "jest.txt": (
        "jest",
        1,
        {
            "sum.test.js::top": P,
            "sum.test.js::sum > adds": P,
            "sum.test.js::sum > fails": F,
            "sum.test.js::sum > later": S,
            "sum.test.js::sum > sometime": S,
            "sum.test.js::sum > inner > deep (1 ms)": P,
            "broken.test.js": E,
            "other.test.js::fine": P,
        },
    ),
    "junit.xml": (
        "junit",
        1,
        {
            "test_t::test_a": P,
            "test_t::test_b": F,
            "test_t::test_c": S,
            "test_t::test_d": S,
            "test_t::test_e": P,
            "test_t::test_p[a b]": P,
            "test_t::test_p[c - d]": P,
            r"test_t::test_p[\xe9\n]": P,
            "test_t::test_t": E,
            "test_t::test_s": E,
            "test_t.TestK::test_m": F,
        },
    ),
    "tap.txt": (
        "tap",
        1,
        {
            "adds": P,
            "fails # hash": F,
            "skipped": S,
            "nested": P,
            "nested > inner": P,
            "todo": S,
        },
    ),
    "catch2.xml": ("catch2", 2, {"adds": P, "fails & <b>": F, "throws": F, "may": P}),
}
REAL["go.jsonl"] = REAL["go.txt"]

_each = pytest.mark.parametrize("file", sorted(REAL))


def text_of(file: str) -> str:
    return (LOGS / file).read_text("utf-8")


def parse(parser: str, text: str, status: int) -> Told:
    report = parser == "junit"
    log = Log(output="" if report else text, status=status, reports=(text,) if report else ())
    return parser_named(parser).parse(log)


@_each
def test_a_real_log_is_read(file: str) -> None:
    parser, status, tests = REAL[file]
    told = parse(parser, text_of(file), status)
    assert told.fault == ""
    assert told.tests == tests


@pytest.mark.parametrize(
    ("file", "message", "place"),
    [
        ("pytest.txt", "ValueError: x", ("test_t.py", 15)),
        ("unittest.txt", "ValueError: x", ("test_u.py", 7)),
        ("go.txt", "Add(1, 2) = -1", ("ledger_test.go", 5)),
        ("cargo.txt", "assertion `left == right` failed", ("src/lib.rs", 9)),
        ("jest.txt", "expect(received).toBe(expected) // Object.is equality", ("sum.test.js", 3)),
        ("catch2.xml", "fails & <b>: 1 == 2", ("t.cpp", 6)),
    ],
)
def test_the_first_failure_is_told(file: str, message: str, place: tuple[str, int]) -> None:
    told = parse(REAL[file][0], text_of(file), REAL[file][1])
    assert (told.message, (told.path, told.line)) == (message, place)


# --- what nobody but the runner can have written -------------------------------------------------


@_each
def test_an_exit_code_that_says_otherwise_is_a_fault(file: str) -> None:
    parser, _, _ = REAL[file]
    assert parse(parser, text_of(file), 0).fault
    assert parse(parser, text_of(file), -11).fault


@_each
def test_a_log_that_is_cut_tells_nothing_that_is_wrong(file: str) -> None:
    """Wherever it is cut, and whatever the exit code is."""
    parser, status, tests = REAL[file]
    lines = text_of(file).rstrip().split("\n")
    faults = 0
    for end in range(len(lines)):
        for code in (0, status):
            told = parse(parser, "\n".join([*lines[:end], ""]), code)
            assert told.fault or told.tests.items() <= tests.items(), end
            faults += bool(told.fault)
    assert faults > len(lines)


@_each
def test_a_log_that_stands_twice_is_a_fault(file: str) -> None:
    parser, status, _ = REAL[file]
    assert parse(parser, text_of(file) * 2, status).fault


#: A failure in each log, and how it would read had the test passed.
_FORGED = {
    "pytest.txt": [
        ("test_b FAILED", "test_b PASSED"),
        ("FAILED test_t.py::test_b - assert 1 == 2", "PASSED test_t.py::test_b"),
    ],
    "unittest.txt": [("test_bad) ... FAIL", "test_bad) ... ok")],
    "django.txt": [("It is bad. ... FAIL", "It is bad. ... ok")],
    "go.txt": [("--- FAIL: TestAdd", "--- PASS: TestAdd")],
    "go.jsonl": [("--- FAIL: TestAdd", "--- PASS: TestAdd")],
    "cargo.txt": [("test tests::one ... FAILED", "test tests::one ... ok")],
    "jest.txt": [("✕ fails", "✓ fails")],
    "junit.xml": [("failure", "properties")],
    "tap.txt": [("not ok 2 - fails", "ok 2 - fails")],
    "catch2.xml": [('<OverallResult success="false"/>', '<OverallResult success="true"/>')],
}


@_each
def test_a_failure_that_is_called_a_pass_is_a_fault(file: str) -> None:
    parser, status, _ = REAL[file]
    text = text_of(file)
    for before, after in _FORGED[file]:
        assert before in text
        text = text.replace(before, after)
    assert parse(parser, text, status).fault


@_each
def test_a_second_result_of_one_test_is_a_fault(file: str) -> None:
    """Of each line that says of a test that it passed, a copy somewhere before the last lines."""
    parser, status, tests = REAL[file]
    good = [name for name, word in tests.items() if word is P]
    lines = text_of(file).split("\n")
    last = {name: re.split(r"::| > |\.", name)[-1] for name in good}
    shown = [line for line in lines if re.search(r"(?i)pass|ok|✓|<testcase.*/>", line)]
    named = [line for line in shown if any(name in line for name in last.values())]
    if file in ("go.jsonl", "catch2.xml"):
        pytest.skip("a result is no line of its own there")
    assert named
    for line in named:
        place = lines.index(line)
        text = "\n".join([*lines[: place + 1], line, *lines[place + 1 :]])
        assert parse(parser, text, status).fault, line


@pytest.mark.parametrize("parser", parser_names())
@pytest.mark.parametrize("status", [0, 1])
def test_nothing_has_passed_in_what_is_no_log(parser: str, status: int) -> None:
    for text in (
        "",
        "\n",
        "all tests passed\n",
        "OK\n",
        "PASS\n",
        "ok 1\n" * 3,
        "<a/>",
        "\0\x1b[2J",
    ):
        told = parse(parser, text, status)
        assert told.fault, text


def test_control_characters_hide_nothing() -> None:
    """Colours are taken out; all else stays and spoils the line."""
    text = text_of("pytest.txt")
    coloured = text.replace("PASSED", "\x1b[32mPASSED\x1b[0m").replace(
        "FAILED", "\x1b[31mFAILED\x1b[0m"
    )
    assert parse("pytest", coloured, 1).tests == REAL["pytest.txt"][2]
    for sequence in ("\x1b[2K", "\x1b[1A", "\r", "\b", "\x1b[8m\x1b[1;1H"):
        hidden = text.replace("test_t.py::test_b FAILED", f"{sequence}test_t.py::test_b FAILED")
        hidden = hidden.replace("FAILED test_t.py::test_b", f"{sequence}FAILED test_t.py::test_b")
        assert parse("pytest", hidden, 1).tests.get("test_t.py::test_b") is not P


def test_reports_may_hold_no_entities() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><testsuites>&d;</testsuites>'
    assert "document type" in parse("junit", bomb, 0).fault


@pytest.mark.parametrize(
    "name", ["test_bad (polls.tests.PollTests)", "test_bad (polls.tests.PollTests.test_bad)"]
)
def test_ids_of_unittest_may_be_written_as_python_prints_them(name: str) -> None:
    assert parser_named("unittest").canonical(name) == "polls.tests.PollTests.test_bad"


class Words(LogParser):
    """A parser of somebody else's."""

    def parse(self, log: Log) -> Told:
        """Every word is a test that has passed."""
        return Told(tests=dict.fromkeys(log.output.split(), P))


def test_anybody_may_add_a_parser() -> None:
    here = f"{__name__}:Words"
    register_parser("words", here)
    assert isinstance(parser_named("words"), Words)
    assert parser_named(here).parse(Log(output="a b", status=0)).tests == {"a": P, "b": P}
    with pytest.raises(ConfigError, match="registered already"):
        register_parser("words", "somewhere:Else")
    with pytest.raises(UnknownNameError, match="did you mean 'pytest'"):
        parser_named("pytst")
    with pytest.raises(ConfigError, match="not a LogParser class"):
        parser_named("pathlib:Path")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), parser=st.sampled_from(parser_names()), status=st.sampled_from([0, 1, 101]))
def test_no_log_breaks_a_parser(data: st.DataObject, parser: str, status: int) -> None:
    """Lines of all logs in any order, with strange ones among them: nothing is raised."""
    every = [line for file in sorted(REAL) for line in text_of(file).split("\n")]
    strange = st.sampled_from(["9" * 6000, "\0", "\x1b[", "[", "%]", "(" * 50, "<a", "{" * 500])
    pieces = st.lists(st.one_of(st.sampled_from(every), strange), max_size=40)
    again = st.lists(pieces, min_size=1, max_size=3)
    text = "\n".join("\n".join(lines) for lines in data.draw(again))
    told = parse(parser, text, status)
    assert all(isinstance(status, Status) for status in told.tests.values())


@pytest.mark.parametrize("parser", parser_names())
def test_long_lines_take_linear_time(parser: str) -> None:
    """Counted in looks of the regular expressions' engine it would be 10^10; nobody would wait."""
    marks = ("PASSED (", "x (", "--- PASS: ", "=== RUN   ", "... ", "✓ ", "# ", "(1 ms) ")
    for piece in ("a", " ", "=", *marks):
        text = piece * (400_000 // len(piece)) + "\n"
        for line in (text, f"{text[:-1]}%]\n", f"test {text}", f"  ✓ {text}", f"ok 1 {text}"):
            parse(parser, line, 0)
