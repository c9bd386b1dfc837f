"""The n-gram baseline: complete edits, ranked by likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from hrmgym.envs.edits.edit import Edit
from hrmgym.envs.interfaces import EditInterface
from hrmgym.envs.lexer import lex
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError, DataError
from hrmgym.policies import make_policy
from hrmgym.policies.base import Proposer, Spaces
from hrmgym.policies.baselines import RandomPolicy
from hrmgym.policies.config import NgramConfig
from hrmgym.policies.lexeme_model import windows_of
from hrmgym.policies.ngram import NgramPolicy
from hrmgym.tests.tiny import DOUBLE_FIXED, Tiny
from hrmgym.trainers.fixes import Fix, look, show_fix
from hrmgym.trainers.ngram import fit

LINES = [f"def f{n}(x):\n    total = x * {n}\n    return total * 2\n" for n in range(9)]
INTERFACE = EditInterface(96)


@pytest.fixture(scope="module")
def env() -> SoftwareEnv:
    return SoftwareEnv(Tiny(), canvas=96)


@pytest.fixture(scope="module")
def policy(env: SoftwareEnv) -> NgramPolicy:
    return NgramPolicy(Spaces.of(env), fit([*LINES, DOUBLE_FIXED, DOUBLE_FIXED]))


def broken(buggy: str, start: int, end: int, text: str) -> Fix:
    fix = show_fix("a", "b", "c", buggy, Edit(start, end, text), "", INTERFACE, 32)
    assert fix is not None
    return fix


@pytest.mark.parametrize(
    ("buggy", "repair"),
    [
        ("def f1(x):\n    total = x + 1\n    return total * 2\n", (" + ", " * ")),  # replaced
        ("def f1(x):\n    total = x * 1 * \n    return total * 2\n", (" * \n", "\n")),  # deleted
        ("def f1(x):\n    total = x 1\n    return total * 2\n", (" 1", " * 1")),  # inserted
    ],
)
def test_the_likeliest_edits_repair_what_the_corpus_knows(
    policy: NgramPolicy, buggy: str, repair: tuple[str, str]
) -> None:
    old, new = repair
    at = buggy.index(old)
    fix = broken(buggy, at, at + len(old), new)
    actions = [one.action for one in policy.propose(fix.sample.observation, 40).actions]
    rank = look(fix, actions, INTERFACE).rank
    assert rank is not None
    assert rank <= 10


def test_gains_are_those_of_the_whole_text(policy: NgramPolicy) -> None:
    """A few of the many edits, against the model run over the whole text after them."""
    fix = broken(LINES[3], 0, 3, "x")
    best = policy.propose(fix.sample.observation, 10_000).actions
    assert [one.log_prob for one in best] == sorted((one.log_prob for one in best), reverse=True)

    def score(text: str) -> float:
        lexemes = lex(text)
        local = np.array([original.count(one) for one in lexemes]) / len(original)
        own = np.exp(policy._model.log_probs(windows_of(policy._model.ids(lexemes))))
        return float((np.log(0.7 * own + 0.3 * local) - mean).sum())

    original, mean = list(lex(LINES[3])), 0.0
    mean = score(LINES[3]) / len(original)
    before = score(LINES[3])
    checked = 0
    for one in best[::5]:
        call = INTERFACE.decode(one.action, fix.state)
        text = LINES[3][: call.start] + call.text + LINES[3][call.end :]
        if lex(text) == [*lex(LINES[3][: call.start]), *lex(call.text), *lex(LINES[3][call.end :])]:
            assert one.log_prob == pytest.approx(score(text) - before, abs=1e-6)
            checked += 1
    assert checked > 40


def test_both_baselines_propose_legal_edits_each_once(
    env: SoftwareEnv, policy: NgramPolicy
) -> None:
    fix = broken(LINES[3], 0, 3, "x")
    for one in (policy, RandomPolicy(Spaces.of(env), 0)):
        assert isinstance(one, Proposer)
        found = one.propose(fix.sample.observation, 50).actions
        assert len({proposal.action.tobytes() for proposal in found}) == 50
        for proposal in found:
            assert INTERFACE.action_space.contains(proposal.action)


def test_it_acts_and_does_not_repeat_itself(policy: NgramPolicy) -> None:
    fix = broken(LINES[3], 0, 3, "x")
    first, state = policy.act(fix.sample.observation)
    second, _ = policy.act(fix.sample.observation, state=state)
    assert first.tolist() != second.tolist()


def test_it_needs_the_edit_interface() -> None:
    with pytest.raises(ConfigError, match="edit interface"):
        NgramPolicy(Spaces.of(SoftwareEnv(Tiny(), interface="shell")), fit(LINES))


def test_it_is_made_of_a_fitted_file(env: SoftwareEnv, policy: NgramPolicy, tmp_path: Path) -> None:
    path = tmp_path / "lines.safetensors"
    path.write_bytes(policy._model.to_bytes())
    made = make_policy(NgramConfig(kind="ngram", file=str(path)), env)
    fix = broken(LINES[3], 0, 3, "x")
    for one, other in zip(
        made.propose(fix.sample.observation, 50).actions,  # type: ignore[attr-defined]
        policy.propose(fix.sample.observation, 50).actions,
        strict=True,
    ):
        assert one.action.tolist() == other.action.tolist()
        assert one.log_prob == other.log_prob


def test_without_a_fitted_file_it_says_how_to_get_one(env: SoftwareEnv, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy\.file: .*trainers\.ngram FILE makes one"):
        make_policy(NgramConfig(kind="ngram"), env)
    missing = str(tmp_path / "none.safetensors")
    with pytest.raises(DataError, match=r"none\.safetensors: no such file; python -m"):
        make_policy(NgramConfig(kind="ngram", file=missing), env)
    with pytest.raises(ValidationError, match="packages: says what to fit to"):
        NgramConfig(kind="ngram", file=missing, packages=True)
