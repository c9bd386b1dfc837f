"""Making bugs in a small package, in a real sandbox, and the benchmark of what was made."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.benchmarks.madebugs import building
from hrmgym.envs.benchmarks.madebugs.benchmark import MadeBugs
from hrmgym.envs.benchmarks.madebugs.building import Building, hosts_of, package_of, passes, try_one
from hrmgym.envs.benchmarks.madebugs.listed import MadeBug, Try, digest, read_list
from hrmgym.envs.edits.source import Source
from hrmgym.envs.focus import parts_of, span_of
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Task, TestSpec
from hrmgym.errors import DataError
from hrmgym.tests.envs.benchmarks.madebugs.hosts import (
    CLIP_HIDDEN,
    MERGE,
    PATH,
    SPANS,
    Hosts,
    PytestHosts,
    call_tests,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> tuple[Path, Counter[str]]:
    """A list with one bug of each number of edits."""
    path = tmp_path_factory.mktemp("made") / "seed-7.jsonl"
    work = Building(path, Hosts(), 7, {"test": 1})
    return path, work.build("test", sandbox)


def test_bugs_of_each_number_of_edits_are_made(made: tuple[Path, Counter[str]]) -> None:
    path, yields = made
    assert yields == {"pieces": 3}
    tasks = MadeBugs(str(path), hosts=Hosts()).tasks("test")
    assert Counter(task.tags for task in tasks) == {
        ("1 edit",): 1,
        ("2 edits",): 1,
        ("3 edits",): 1,
    }
    assert len({task.id for task in tasks}) == 3
    assert len({task.workspace.files[PATH] for task in tasks}) == 3


def test_each_is_a_sound_task(made: tuple[Path, Counter[str]], sandbox: Sandbox) -> None:
    benchmark = MadeBugs(str(made[0]), hosts=Hosts())
    for task in benchmark.tasks("test")[::2]:
        untouched = task.workspace.start
        for tests in (task.visible_tests, task.hidden_tests):
            found = benchmark.run_tests(task, tests, untouched, sandbox, fresh=True)
            failing = {name for name, status in found.tests.items() if status != "passed"}
            assert failing == set(tests.fail_to_pass) != set()
            assert set(tests.test_ids) == failing | set(tests.pass_to_pass)
        assert benchmark.grade(task, task.solution(), sandbox).resolved


def test_a_bug_is_in_the_function_and_nothing_of_the_old_bug_is_left(
    made: tuple[Path, Counter[str]],
) -> None:
    for task in MadeBugs(str(made[0]), hosts=Hosts()).tasks("test"):
        text, (path, name) = task.workspace.files[PATH], parts_of(task.focus)
        assert path == PATH
        span, known = span_of(text, name), span_of(SPANS, name)
        assert span is not None
        assert known is not None
        assert text[: span[0]] + text[span[1] :] == SPANS[: known[0]] + SPANS[known[1] :]
        assert Source(text).dump != Source(SPANS).dump
        assert task.reference == {PATH: SPANS}
        assert task.public.focus == task.focus
        assert task.source == "pieces 1.1, with a made bug (seed 7)"


def test_making_goes_on_where_it_was_stopped(
    made: tuple[Path, Counter[str]],
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = made[0].read_bytes()
    part = tmp_path / "seed-7.jsonl"
    lines = whole.splitlines(keepends=True)
    part.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    tried: list[Try] = []

    def noting(of: Try, *rest: object) -> MadeBug | str:
        tried.append(of)
        return try_one(of, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(building, "try_one", noting)
    Building(part, Hosts(), 7, {"test": 1}).build("test", sandbox)
    assert part.read_bytes() == whole
    assert len(tried) == 1


def test_another_seed_makes_other_bugs(made: tuple[Path, Counter[str]], sandbox: Sandbox) -> None:
    _, tries = read_list(made[0])
    of = next(of for of, one in tries.items() if isinstance(one, MadeBug))
    known = {one.id: one for one in hosts_of(Hosts().tasks("test"))}[of.host]
    assert try_one(of, known, Hosts(), sandbox, 7) == tries[of]
    assert try_one(of, known, Hosts(), sandbox, 8) != tries[of]


def test_a_list_of_something_else_is_refused(made: tuple[Path, Counter[str]]) -> None:
    with pytest.raises(DataError, match="a list of seed 7 for hosts 1, not of seed 8"):
        Building(made[0], Hosts(), 8)


def test_a_compressed_list_is_left_as_it_is(
    tmp_path: Path, made: tuple[Path, Counter[str]]
) -> None:
    path = tmp_path / "made.jsonl.gz"
    path.write_bytes(gzip.compress(made[0].read_bytes()))
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"made\.jsonl\.gz: .*decompress"):
        Building(path, Hosts())
    assert path.read_bytes() == before


def test_hosts_are_functions_with_a_solution_each_once() -> None:
    tasks = Hosts().tasks("test")
    assert [one.id for one in hosts_of(tasks)] == ["pieces/clip", "pieces/merge"]
    assert hosts_of([replace(tasks[0], reference={})]) == []
    assert hosts_of([replace(tasks[0], focus="")]) == []
    assert package_of(tasks[0]) == "pieces"


def test_a_host_that_fails_its_own_tests_gives_no_bug(tmp_path: Path, sandbox: Sandbox) -> None:
    class Failing(Hosts):
        def tasks(self, split: str) -> Sequence[Task]:
            return (self.host("clip", split, {"a": ((1, 2, 3), 4)}, CLIP_HIDDEN, SPANS),)

    assert not passes(Failing().tasks("test")[0], Failing(), sandbox)
    path = tmp_path / "made.jsonl"
    assert Building(path, Failing(), 1, {"test": 1}).build("test", sandbox).total() == 0
    assert set(read_list(path)[1].values()) == {"the untouched host does not pass"}


def test_a_bug_that_no_hidden_test_sees_is_none(sandbox: Sandbox) -> None:
    one = Hosts().tasks("test")[0]
    one = replace(one, hidden_tests=call_tests("merge", MERGE, "hidden"))
    of = Try("test", one.id, 1, 0)
    why = try_one(of, one, Hosts(), sandbox, 1)
    assert why in ("no hidden test fails", "no visible test fails")  # of the last mutant


def test_runs_that_differ_make_no_bug(sandbox: Sandbox) -> None:
    class Moody(Hosts):
        seen = 0

        def run_tests(self, task: Task, tests: TestSpec, *rest: Any, **options: Any) -> Outcome:
            Moody.seen += 1
            status = Status.ERROR if Moody.seen % 2 else Status.FAILED
            return Outcome(tests=dict.fromkeys(tests.test_ids, status))

    one = Moody().tasks("test")[0]
    assert try_one(Try("test", one.id, 1, 0), one, Moody(), sandbox, 1) == "runs differ"


@pytest.mark.nightly
def test_bugs_are_made_with_tests_for_pytest(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "made.jsonl"
    assert Building(path, PytestHosts(), 1, {"test": 1}).build("test", sandbox, 2).total() == 3
    benchmark = MadeBugs(str(path), hosts=PytestHosts())
    for task in benchmark.tasks("test"):
        assert not benchmark.grade(task, task.workspace.start, sandbox).resolved
        assert benchmark.grade(task, task.solution(), sandbox).resolved


def test_bugs_are_refused_where_the_host_is_another(made: tuple[Path, Counter[str]]) -> None:
    class Newer(Hosts):
        def tasks(self, split: str) -> Sequence[Task]:
            return tuple(
                replace(one, reference={PATH: SPANS + "\n"}) for one in Hosts().tasks(split)
            )

    with pytest.raises(DataError, match="is not the one that it was made in"):
        MadeBugs(str(made[0]), hosts=Newer()).tasks("test")
    assert digest(SPANS) != digest(SPANS + "\n")
