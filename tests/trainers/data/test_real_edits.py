"""The shipped real edits: well-formed, held out by package, and far from every benchmark."""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

import pytest

from hrmgym.envs.bugs.contamination import near_duplicates
from hrmgym.envs.bugs.meaning import compiles, meaning
from hrmgym.envs.bugs.releases import SPLITS, pinned
from hrmgym.envs.bugs.spans import MOST_SPANS, MOST_TOKENS
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import DataError, UnknownNameError
from hrmgym.trainers.data.protected import protected_programs
from hrmgym.trainers.data.real_edits import RealEdit, file_name, read, real_edits, write

ALL = [edit for split in SPLITS for edit in real_edits(split)]


def test_every_edit_is_small_and_changes_the_program() -> None:
    for edit in ALL[::3]:
        assert compiles(edit.before)
        assert compiles(edit.after)
        assert meaning(edit.before) != meaning(edit.after)
        assert 1 <= len(edit.edits) <= MOST_SPANS
        assert list(edit.edits) == sorted(edit.edits)
        for one in edit.edits:
            for text in (one.text, edit.before[one.start : one.end]):
                assert len(load_tokens().encode(text).ids) <= MOST_TOKENS


def test_packages_are_pinned_and_in_one_split() -> None:
    known = {entry.name: entry for entry in pinned()}
    for edit in ALL:
        entry = known[edit.package]
        assert (edit.split, edit.licence) == (entry.split, entry.licence)
        versions = [release.version for release in entry.releases]
        assert versions.index(edit.versions[0]) < versions.index(edit.versions[1])
    assert len(real_edits("train")) > 1000
    assert len(real_edits("valid")) > 500
    assert len({edit.package for edit in real_edits("valid")}) >= 4


def test_edits_are_there_once() -> None:
    assert len({(edit.before, edit.edits) for edit in ALL}) == len(ALL)


def test_licence_texts_are_shipped_for_every_package() -> None:
    file = resources.files("hrmgym.trainers.data").joinpath("real-edits-licences.txt")
    text = file.read_text(encoding="utf-8")
    for entry in pinned():
        assert f"== {entry.name} ({entry.licence})" in text


@pytest.mark.needs_data
def test_no_edit_is_near_a_benchmark_program(data: Path) -> None:
    protected, missing = protected_programs()
    assert missing == []
    assert len(protected) > 300
    texts = {str(number): edit.after for number, edit in enumerate(ALL)}
    assert near_duplicates(texts, protected) == []


def test_no_training_edit_is_near_a_held_out_function() -> None:
    valid = {str(i): edit.after for i, edit in enumerate(real_edits("valid"))}
    train = {str(i): edit.after for i, edit in enumerate(real_edits("train"))}
    assert near_duplicates(train, valid) == []


def test_files_are_read_as_they_were_written() -> None:
    data = write(ALL[:20])
    assert read(data, "here") == ALL[:20]
    assert write(read(data, "here")) == data
    for broken in (b"", data[:-9], gzip.compress(b'{"package": 1}\n'), gzip.compress(b"[]\n")):
        with pytest.raises(DataError, match="here: not a file of real edits"):
            read(broken, "here")


def test_names_are_checked() -> None:
    assert file_name().startswith("real-edits-v")
    with pytest.raises(UnknownNameError, match="did you mean 'valid'"):
        real_edits("vald")
    assert isinstance(real_edits("valid")[0], RealEdit)
