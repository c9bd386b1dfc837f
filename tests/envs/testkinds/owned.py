"""A kind of tests as somebody else's package would bring it: files that have to hold a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from hrmgym.envs.kinds import Mode
from hrmgym.envs.outcome import Outcome, Status
from hrmgym.envs.sandboxes.bench import Bench
from hrmgym.envs.task import Limits, TestSpec
from hrmgym.envs.testkinds import TestKind, register_test_kind
from hrmgym.envs.testkinds.fields import Model, Path, TestsLine


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTests(TestSpec):
    """Files that have to hold a word."""

    kind: ClassVar[str] = "words"

    words: Mapping[str, str]

    @property
    def test_ids(self) -> tuple[str, ...]:
        """One test a file."""
        return tuple(self.words)


class Word(Model):
    """A word of a file."""

    path: Path
    word: str = Field(min_length=1)


class WordsLine(TestsLine):
    """Words of files."""

    words: list[Word] = Field(min_length=1)

    def spec(self) -> WordTests:
        """The tests."""
        return WordTests(words={one.path: one.word for one in self.words})

    def paths(self) -> dict[str, str]:
        """Every file."""
        return {f"words.{i}.path": one.path for i, one in enumerate(self.words)}


class Words(TestKind[WordTests]):
    """Looks for words, without running anything."""

    line = WordsLine

    async def run(
        self, bench: Bench, files: Mapping[str, str], tests: WordTests, limits: Limits
    ) -> Outcome:
        """See `TestKind.run`."""
        found = {
            path: Status.PASSED if word in files.get(path, "").split() else Status.FAILED
            for path, word in tests.words.items()
        }
        return Outcome(tests=found)

    def mode(self, tests: WordTests, *, keeps_apart: bool) -> tuple[Mode, str]:
        """Nothing runs."""
        return "apart", ""

    def shown(self, tests: WordTests) -> str:
        """The files."""
        return f"They look into {', '.join(tests.words)}."


register_test_kind("words", f"{__name__}:Words")
