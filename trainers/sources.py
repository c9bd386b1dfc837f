"""Where supervised samples come from: made bugs, real edits, a benchmark's training split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from hrmgym.envs.bugs.making import Mix, make_bug, mix
from hrmgym.envs.bugs.spans import applied, inverses
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.trainers.data.batches import Stream
from hrmgym.trainers.data.bug_stream import (
    BugStream,
    Program,
    Sample,
    draw_budget,
    package_programs,
    stdlib_programs,
)
from hrmgym.trainers.data.examples import benchmark_examples
from hrmgym.trainers.data.found_tests import functions_with_tests
from hrmgym.trainers.data.heldout import is_held_out
from hrmgym.trainers.data.real_edits import real_edits
from hrmgym.trainers.data.selector import Selector
from hrmgym.trainers.data.shown import S
from hrmgym.trainers.data.tested import TestedStream
from hrmgym.trainers.fixes import Fix, show_fix
from hrmgym.trainers.supervised_config import LearningConfig, SupervisedConfig

#: Stands in place of an operator's name.
REAL = "real"

#: Seeds that must differ from the run's, each for one purpose.
_HELD_OUT_SEED, _MIX_SEED, _LIST_SEED = 1_000_003, 3_000_017, 4_000_037


@dataclass(frozen=True, slots=True)
class Listed:
    """Draws from ready-made samples, each time with other counts in its budget."""

    samples: Sequence[Sample]
    seed: int

    def sample(self, index: int) -> Sample:
        """Sample number `index`."""
        rng = np.random.default_rng((self.seed + _LIST_SEED, index))
        chosen = self.samples[int(rng.integers(len(self.samples)))]
        budget = draw_budget(chosen.observation["budget"], rng)
        return replace(chosen, observation={**chosen.observation, "budget": budget})


class Mixed(Generic[S]):
    """Draws from several streams, each with its share.

    Raises:
        ConfigError: no stream has a share.
    """

    def __init__(self, parts: Sequence[tuple[float, Stream[S]]], seed: int) -> None:
        parts = [(share, stream) for share, stream in parts if share > 0]
        if not parts:
            raise ConfigError("supervised training has no source of samples")
        self._streams = [stream for _, stream in parts]
        self._borders = np.cumsum([share for share, _ in parts])
        self._seed = seed

    def sample(self, index: int) -> S:
        """Sample number `index`."""
        drawn = np.random.default_rng((self._seed + _MIX_SEED, index)).random()
        at = int(np.searchsorted(self._borders, drawn * self._borders[-1], side="right"))
        return self._streams[min(at, len(self._streams) - 1)].sample(index)


def training_programs(config: LearningConfig) -> list[Program]:
    """The functions to make bugs in."""
    programs = stdlib_programs(config.max_lines)
    if config.packages:
        programs += package_programs(config.max_lines)
    return [program for program in programs if not is_held_out(program.code)]


def held_out_programs(max_lines: int = 30) -> list[Program]:
    """The standard library's functions that nothing is trained on."""
    return [one for one in stdlib_programs(max_lines) if is_held_out(one.code)]


def training_stream(
    config: SupervisedConfig,
    interface: EditInterface,
    *,
    seed: int,
    max_span: int,
    env: SoftwareEnv | None = None,
    split: str = "train",
    selector: Selector | None = None,
) -> Stream[Sample]:
    """The samples that a configuration describes.

    Args:
        config: Shares of the sources.
        interface: Lays out the canvases.
        seed: Draws everything.
        max_span: Most tokens that an action may replace.
        env: Environment of the benchmark; needed where it has a share.
        split: The benchmark's training split.
        selector: What it prefers among made bugs; None prefers none.
    """
    recipe = mix(config.operators)
    if config.places is not None:
        recipe = Mix(recipe.weights, (1 / config.places,) * config.places)
    made = BugStream(
        training_programs(config),
        interface,
        seed=seed,
        max_span=max_span,
        recipe=recipe,
        selector=selector,
        every_place=config.places is not None,
        dressed=config.dressed,
    )
    rest = 1 - config.benchmark_share - config.real_share - config.tested_share
    parts: list[tuple[float, Stream[Sample]]] = [(rest, made)]
    if config.tested_share > 0:
        tested = TestedStream(
            functions_with_tests(config.packages, config.max_lines),
            interface,
            seed=seed,
            max_span=max_span,
            weights=recipe.weights,
            dressed=config.dressed,
        )
        parts.append((config.tested_share, tested))
    if config.benchmark_share > 0:
        if env is None:
            raise ConfigError("benchmark_share needs an environment")
        tasks = env.benchmark.tasks(split)
        examples = benchmark_examples(
            env, tasks, seed=seed, max_span=max_span, dressed=config.dressed
        )
        parts.append((config.benchmark_share, Listed(examples, seed)))
    if config.real_share > 0:
        samples = [fix.sample for fix in real_fixes("train", interface, max_span=max_span)]
        parts.append((config.real_share, Listed(samples, seed)))
    return Mixed(parts, seed)


def made_fixes(
    programs: Sequence[Program],
    interface: EditInterface,
    *,
    seed: int,
    max_span: int,
    most: int,
    recipe: Mix | None = None,
    group: str = "stdlib",
) -> list[Fix]:
    """Up to `most` bugs of one edit made in held-out functions, the same for the same seed."""
    single = Mix((recipe or mix("fitted")).weights)
    rng = np.random.default_rng(seed + _HELD_OUT_SEED)
    found: list[Fix] = []
    for number, program in enumerate(list(programs) * 8):
        if len(found) == most:
            break
        bug = make_bug(program.code, rng, single)
        if bug is None:
            continue
        made = show_fix(
            f"{program.name}-{number}",
            group,
            bug.operators[0],
            bug.code,
            bug.repairs[0],
            program.prompt if rng.random() < 0.5 else "",
            interface,
            max_span,
        )
        if made is not None:
            found.append(made)
    return found


def real_fixes(split: str, interface: EditInterface, *, max_span: int) -> list[Fix]:
    """Real edits of a split, as bugs that one action repairs.

    An edit of several places gives one fix for each place in training, with the others already
    as they should be, and none in validation.
    """
    found: list[Fix] = []
    for edit in real_edits(split):
        if len(edit.edits) > 1 and split != "train":
            continue
        backward = inverses(edit.before, edit.edits)
        for at in range(len(edit.edits)):
            buggy = applied(edit.after, backward[at : at + 1])
            (repair,) = inverses(edit.after, backward[at : at + 1])
            name = f"{edit.package}-{edit.versions[1]}-{edit.function}-{at}"
            fix = show_fix(
                name, edit.package, REAL, buggy, repair, "", interface, max_span, edit.name
            )
            if fix is not None:
                found.append(fix)
    return found
