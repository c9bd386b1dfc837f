"""Near-duplicate search, and what it says of our own training programs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hrmgym.envs.benchmarks.katas import load_katas
from hrmgym.envs.bugs.contamination import NGRAM, lexemes, near_duplicates, ngrams
from hrmgym.trainers.data.corpus import stdlib_functions

SEARCH = '''
def search(items, wanted):
    """Where it is."""
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2  # halfway
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
'''
OTHER = "def total(prices, rate):\n    return sum(p * (1 + rate) for p in prices if p > 0)\n"


def test_lexemes_drop_comments_docstrings_and_layout() -> None:
    assert lexemes('def f(x):\n    "doc"  # why\n\n    return (x +\n            "s")\n') == (
        *("def", "f", "(", "x", ")", ":", "return", "(", "x", "+", '"s"', ")"),
    )
    assert lexemes("x = [\n'a',\n]\n") == ("x", "=", "[", "'a'", ",", "]")
    assert lexemes('"""Module."""\nx = 1\n') == ("x", "=", "1")
    assert lexemes("let s = (x ==> 1") == ("let", "s", "=", "(", "x", "==>", "1")  # no Python


def test_ngrams_of_a_short_text() -> None:
    assert ngrams("a = b\n") == {("a", "=", "b")}
    assert len(ngrams("a b c d e f g")) == 7 - NGRAM + 1


def test_reformatted_and_slightly_changed_copies_are_found() -> None:
    changed = SEARCH.replace("# halfway", "").replace("    ", "\t").replace("<", "<=")
    (found,) = near_duplicates({"copy": changed, "other": OTHER}, {"search": SEARCH})
    assert (found.candidate, found.protected) == ("copy", "search")
    assert 0.6 < found.jaccard < 1
    (same,) = near_duplicates({"copy": SEARCH}, {"search": SEARCH, "other": OTHER})
    assert same.containment == same.jaccard == 1


def test_a_copy_inside_a_larger_program_is_found_by_containment() -> None:
    filler = "\n".join(f"value_{i} = {i} * other_{i} - {i}" for i in range(120))
    (found,) = near_duplicates({"large": filler + SEARCH}, {"search": SEARCH})
    assert found.containment > 0.95
    assert found.jaccard < 0.2


def test_idioms_are_no_duplicates() -> None:
    idiom = "def close(self):\n    self.file.close()\n"
    assert near_duplicates({"a": idiom}, {"b": idiom}) == []
    assert len(near_duplicates({"a": idiom}, {"b": idiom}, least_shared=1)) == 1


def protected_programs(data: Path) -> dict[str, str]:
    found = {}
    for kind in ("correct_python_programs", "python_programs"):
        for path in sorted((data / "quixbugs" / kind).glob("*.py")):
            if not path.stem.endswith("_test") and path.stem != "node":
                found[f"quixbugs/{kind}/{path.stem}"] = path.read_text(encoding="utf-8")
    with gzip.open(data / "humaneval" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found[row["task_id"]] = row["prompt"] + row["canonical_solution"]
    return found


@pytest.mark.needs_data
def test_no_kata_is_near_a_benchmark_program(data: Path) -> None:
    protected = protected_programs(data)
    assert len(protected) == 40 + 40 + 164
    katas = {kata.name: kata.code for kata in load_katas()}
    assert near_duplicates(katas, protected) == []


@pytest.mark.needs_data
def test_the_search_finds_benchmark_programs_with_their_bugs(data: Path) -> None:
    protected = protected_programs(data)
    right = {n: t for n, t in protected.items() if n.startswith("quixbugs/correct")}
    wrong = {n: t for n, t in protected.items() if n.startswith("quixbugs/python")}
    found = near_duplicates(wrong, right)
    stems = [(Path(pair.candidate).stem, Path(pair.protected).stem) for pair in found]
    assert {a for a, b in stems if a == b} == {Path(name).stem for name in wrong}


@pytest.mark.needs_data
def test_nothing_in_the_corpus_is_near_a_benchmark_program(data: Path) -> None:
    corpus = {function.origin: function.code for function in stdlib_functions()}
    assert near_duplicates(corpus, protected_programs(data)) == []
