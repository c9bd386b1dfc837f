"""Scores of proposals: held-out fixes and tasks, with policies whose proposals are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hrmgym.envs.interfaces.edit import Action, tool_action
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import CheckpointError, ConfigError, UnknownNameError
from hrmgym.experiments.evaluate.metrics import values
from hrmgym.experiments.evaluate.proposals import held_out_fixes, score_fix, score_task
from hrmgym.experiments.evaluate.score import check, score
from hrmgym.experiments.loader import load
from hrmgym.hrm.checkpoint import save_checkpoint
from hrmgym.policies.base import Proposal, Proposals
from hrmgym.policies.lexeme_model import file_hash
from hrmgym.tests.learning import network
from hrmgym.tests.tiny import DOUBLE_FIXED, Tiny
from hrmgym.trainers.fixes import Fix
from hrmgym.trainers.ngram import fit

KS = (1, 2, 4)


class Known:
    """Proposes a given list, whatever it sees; notes how many were asked for."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self.actions = list(actions)
        self.asked: list[int] = []

    def act(self, observation: Any, *, state: Any = None, deterministic: bool = False) -> Any:
        return self.actions[0], None

    def propose(self, observation: Any, k: int) -> Proposals:
        self.asked.append(k)
        return Proposals([Proposal(one, -float(n)) for n, one in enumerate(self.actions[:k])], 0.0)

    def propose_batch(self, observations: Any, k: int) -> list[Proposals]:
        return [self.propose(one, k) for one in observations]


@pytest.fixture(scope="module")
def env() -> SoftwareEnv:
    return SoftwareEnv(Tiny(), canvas=96)


def fixing(env: SoftwareEnv, task: str) -> Action:
    env.reset(options={"task": task})
    found: Action = env.interface.toward(env.state, env.task.reference)
    return found


def test_the_first_proposal_that_passes_the_visible_tests_is_submitted(env: SoftwareEnv) -> None:
    right, stop = fixing(env, "double"), tool_action("submit")
    useless = right.copy()
    useless[1:3] += 1  # some other edit
    known = Known([stop, useless, right, right])
    item = score_task("double", (), known, env, KS, seeds=(0,))
    assert item is not None
    assert values("proposals", item, KS) == {
        "solved@1": 0,
        "solved@2": 0,
        "solved@4": 1,
        "oracle@1": 0,
        "oracle@2": 0,
        "oracle@4": 1,
        "plausible@1": 0,
        "plausible@2": 0,
        "plausible@4": 1,
    }
    assert item.attempts[0].numbers == {"first_passing": 3, "first_solving": 3}
    assert known.asked == [4]
    assert item.solved == 1


def test_passing_visible_tests_alone_is_not_solving(env: SoftwareEnv) -> None:
    """The first of the two edits is right for small numbers, and those are the visible tests."""
    names, start = load_tokens(), int(fixing(env, "double")[1])

    def written(text: str) -> Action:
        action = tool_action("edit")
        ids = names.encode(text).ids
        action[1:3] = start, start + 2
        action[3 : 3 + len(ids)] = ids
        action[3 + len(ids)] = Tokens.END
        return action

    cheat, right = written(" + x + (x > 4)"), written(" * 2")
    item = score_task("double", (), Known([cheat, right]), env, (1, 2), seeds=(0,))
    assert item is not None
    assert item.attempts[0].numbers == {"first_passing": 1, "first_solving": 2}
    assert values("proposals", item, (1, 2)) == {
        "solved@1": 0,
        "solved@2": 0,
        "oracle@1": 0,
        "oracle@2": 1,
        "plausible@1": 1,
        "plausible@2": 1,
    }


def test_the_environment_must_test_by_itself(env: SoftwareEnv) -> None:
    manual = SoftwareEnv(Tiny(), canvas=96, auto_test=False)
    with pytest.raises(ConfigError, match="auto_test"):
        score_task("double", (), Known([]), manual, KS, seeds=(0,))
    manual = SoftwareEnv(Tiny(), canvas=96, auto_submit=False)
    item = score_task("double", (), Known([fixing(env, "double")]), manual, KS, seeds=(0,))
    assert item is not None
    assert item.attempts[0].numbers == {"first_passing": 1, "first_solving": 1}


def made() -> list[Fix]:
    return held_out_fixes(load("score-heldout-edits", fixes("made")))


def fixes(split: str) -> list[str]:
    return ["sweep=null", f"benchmark.eval_split={split}", "policy=ngram", "score.made=4"]


def test_fixes_are_ranked_and_no_more_asked_for_than_needed() -> None:
    env = SoftwareEnv(Tiny(), canvas=512)
    (fix, *_) = made()
    known = Known([tool_action("submit"), fix.sample.action, fix.sample.action])
    item = score_fix(fix, known, env, KS, seed=0)
    assert known.asked == [1, 2]
    assert values("edits", item, KS) == {
        "exact@1": 0,
        "exact@2": 1,
        "exact@4": 1,
        "location@1": 0,
        "mrr": pytest.approx(0.5),
    }
    assert item.attempts[0].numbers == {"location": 2}
    assert item.attempts[0].solved_after == 2
    assert item.tags[0] == "stdlib"


def test_a_report_of_fixes_says_what_it_takes_to_believe_it(tmp_path: Path) -> None:
    report = score(load("score-heldout-edits", fixes("made")))
    data = json.loads(report.to_json())
    assert data["benchmark"] == {
        "name": "heldout-edits",
        "version": "2",
        "split": "made",
        "tasks": 4,
    }
    assert data["complete"]
    assert data["budget"] == {"attempts": 1, "proposals": 128}
    assert data["policy"] == {"kind": "ngram", "packages": False}
    assert data["hashes"]["checkpoint"] is None
    assert data["scores"]["exact@1"]["method"] == "wilson"
    assert data["scores"]["exact@128"]["value"] >= data["scores"]["exact@8"]["value"]
    assert data["by_tag"]["stdlib"]["tasks"] == 4
    assert len(data["outcomes"]) == 4
    again = score(load("score-heldout-edits", fixes("made")))
    assert again.to_json() == report.to_json()


def test_a_fitted_file_is_reported_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "lines.safetensors"
    path.write_bytes(fit([DOUBLE_FIXED] * 3).to_bytes())
    options = [*fixes("made")[:2], f"policy={{kind: ngram, file: {path}}}", "score.made=1"]
    data = score(load("score-heldout-edits", options)).to_dict()
    assert data["hashes"]["checkpoint"] == file_hash(path)
    assert data["policy"] == {"kind": "ngram", "packages": False}


@pytest.mark.slow
def test_a_network_is_scored_end_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    save_checkpoint(folder, network(), "card", {})
    options = [
        f"policy={{kind: hrm, checkpoint: {folder}, dtype: float32}}",
        "env.canvas=96",
        "score.k=[1, 2]",
    ]
    names = [fix.name for fix in made()[:1]]
    experiment = load(
        "score-heldout-edits", [*fixes("made"), *options, f"benchmark.tasks={json.dumps(names)}"]
    )
    data = score(experiment).to_dict()
    assert data["tasks_played"] == 1
    assert len(data["hashes"]["checkpoint"]) == 16
    katas = load(
        "score-quixbugs-policy",
        [
            *options,
            "benchmark=katas",
            "env.canvas=96",
            'benchmark.tasks=["seat_groups/comparison-1"]',
        ],
    )
    check(katas)
    data = score(katas).to_dict()
    shown = [f"{name}@{k}" for name in ("solved", "oracle", "plausible") for k in (1, 2)]
    assert list(data["scores"]) == shown


@pytest.mark.parametrize(
    ("overrides", "kind", "message"),
    [
        (["benchmark.eval_split=test"], UnknownNameError, "unknown split 'test'"),
        (["benchmark.tasks=[nope]"], UnknownNameError, "unknown task 'nope'"),
        (["policy=noop"], ConfigError, "'noop' makes no proposals"),
        (["benchmark=katas"], ConfigError, "goes with benchmark 'heldout-edits'"),
        (["score.episodes=2"], ConfigError, "takes no episodes or before"),
        (["policy={kind: hrm, checkpoint: 'hrmgym:nope'}"], CheckpointError, "no checkpoint"),
    ],
)
def test_mistakes_are_told_before_anything_is_scored(
    overrides: list[str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        check(load("score-heldout-edits", [*fixes("made"), *overrides]))
