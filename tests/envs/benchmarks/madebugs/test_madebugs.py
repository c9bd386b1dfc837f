"""Reading lists of made bugs, and what is wrong with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.madebugs.benchmark import MadeBugs, list_path
from hrmgym.envs.benchmarks.madebugs.listed import (
    Head,
    MadeBug,
    Try,
    bugs_by_split,
    digest,
    line_of,
    read_list,
)
from hrmgym.envs.edits.edit import Edit
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.tests.envs.benchmarks.madebugs.hosts import SPANS, Hosts

HEAD = Head(seed=3, hosts="hosts", hosts_version="1").model_dump_json() + "\n"
PLACE = SPANS.index("low > high")
BUGGY = SPANS.replace("low > high", "low >= value", 1)


def bug(split: str = "tuning", host: str = "pieces/clip", edits: int = 2) -> MadeBug:
    return MadeBug(
        of=Try(split, host, edits, 0),
        made=(Edit(PLACE + 4, PLACE + 5, ">="), Edit(PLACE + 7, PLACE + 11, "value")),
        kinds=("identifier", "comparison"),
        before=digest(SPANS),
        after=digest(BUGGY),
        visible=("below",),
        hidden=("turned",),
    )


def listed(folder: Path, *lines: str) -> str:
    path = folder / "made.jsonl"
    path.write_text("".join((HEAD, *lines)))
    return str(path)


def test_a_list_reads_as_it_was_written(tmp_path: Path) -> None:
    other = Try("test", "pieces/merge", 1, 4)
    path = listed(tmp_path, line_of(bug().of, bug()), line_of(other, "runs differ"))
    head, tries = read_list(Path(path))
    assert head.seed == 3
    assert tries == {bug().of: bug(), other: "runs differ"}
    assert bugs_by_split(tries) == {"tuning": [bug()]}


def test_a_compressed_list_reads_as_the_plain_one(tmp_path: Path) -> None:
    plain = Path(listed(tmp_path, line_of(bug().of, bug())))
    packed = tmp_path / "made.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_list(packed) == read_list(plain)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"made\.jsonl\.gz: cannot be read"):
        read_list(packed)


def test_a_bug_becomes_a_task(tmp_path: Path) -> None:
    benchmark = MadeBugs(listed(tmp_path, line_of(bug().of, bug())), hosts=Hosts())
    (task,) = benchmark.tasks("tuning")
    assert task.id == "pieces/clip:2.0"
    assert benchmark.task_ids("tuning") == [task.id]
    assert task.benchmark == "madebugs"
    assert task.workspace.files["pieces/spans.py"] == BUGGY
    assert task.visible_tests.fail_to_pass == ("below",)
    assert task.visible_tests.pass_to_pass == ("inside",)
    assert task.tags == ("2 edits", "identifier", "comparison")
    assert task.licence == "MIT"
    assert benchmark.tasks("test") == ()


def test_kinds_of_the_test_split_are_not_told(tmp_path: Path) -> None:
    one = bug("test", edits=1)
    (task,) = MadeBugs(listed(tmp_path, line_of(one.of, one)), hosts=Hosts()).tasks("test")
    assert task.tags == ("1 edit",)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("not JSON\n", r"made.jsonl:2: line: Invalid JSON"),
        ("[1]\n", r"made.jsonl:2: "),
        (json.dumps({"split": "test"}) + "\n", r"made.jsonl:2: host: Field required"),
        (line_of(bug().of, "x").replace("number", "nr"), r"made.jsonl:2: number: Field required"),
    ],
)
def test_a_broken_line_is_told(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(DataError, match=error):
        MadeBugs(listed(tmp_path, line), hosts=Hosts()).tasks("test")


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = listed(tmp_path, line_of(bug().of, bug()), '{"split": "te')
    assert len(read_list(Path(path))[1]) == 1


@pytest.mark.parametrize("text", ["", "{}\n", HEAD.replace('"format":1', '"format":9')])
def test_a_file_that_is_no_list_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "made.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"made\.jsonl:1: "):
        read_list(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_list(tmp_path / "none.jsonl")


def test_a_list_for_another_version_of_the_hosts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    path.write_text(HEAD.replace('"hosts_version":"1"', '"hosts_version":"0"'))
    with pytest.raises(DataError, match="are for hosts 0, not 1: make them anew"):
        MadeBugs(str(path), hosts=Hosts()).tasks("test")


def test_a_host_that_is_not_there_is_told(tmp_path: Path) -> None:
    one = bug(host="pieces/clap")
    with pytest.raises(DataError, match=r"no task 'pieces/clap'.*did you mean 'pieces/clip'"):
        MadeBugs(listed(tmp_path, line_of(one.of, one)), hosts=Hosts()).tasks("tuning")


def test_without_a_list_the_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    benchmark = MadeBugs(seed=987)
    with pytest.raises(DataError, match=r"madebugs\.building --seed 987"):
        benchmark.tasks("test")
    with pytest.raises(UnknownNameError):
        benchmark.tasks("valid")
    assert list_path(987).name == "seed-987.jsonl"
