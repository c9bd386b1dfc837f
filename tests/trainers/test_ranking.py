"""Learning to rank: the right edit against all others of its list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.hrm import edit_model_config
from hrmgym.tests.learning import INTERFACE, PROGRAMS, SHAPE, few_threads, supervised_job
from hrmgym.tests.tiny import Tiny
from hrmgym.trainers.config import RankConfig
from hrmgym.trainers.data.ranked_bugs import RankedBugs, RankSample
from hrmgym.trainers.gradients import gradient_norms
from hrmgym.trainers.job import Job
from hrmgym.trainers.rank import numbers, train_rank
from hrmgym.trainers.ranking import KS, RankLearner, rank_rates, ranked, ranks
from hrmgym.trainers.tags import PPO_TAGS, RANKING_TAGS

KINDS = ("comparison", "arithmetic", "identifier", "swap_arguments", "callee", "number")


def network(seed: int = 0) -> EditModel:
    few_threads()
    torch.manual_seed(seed)
    return EditModel(edit_model_config(96, {**SHAPE, "ranking": {"kinds": KINDS}}))


def config(**changes: object) -> RankConfig:
    options: dict[str, object] = {
        **{"kind": "rank", "samples": 48, "batch_size": 8, "learning_rate": 3e-3},
        **{"warm_up": 16, "ema": 0.9, "workers": 0, "evaluate_every": 1000, "held_out": 4},
        "schedule": "cosine",
    }
    return RankConfig(**(options | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def samples() -> list[RankSample]:
    stream = RankedBugs(PROGRAMS, INTERFACE, numbers(KINDS), seed=0)
    return [stream.sample(index) for index in range(24)]


def test_the_loss_is_the_likelihood_of_the_answers_and_the_sum_of_its_parts(
    samples: list[RankSample],
) -> None:
    one = RankLearner(network(), config().fitted(32))
    loss, metrics = one.loss(samples)
    parts = sum(metrics[f"nll_{part}"] for part in ("kind", "place", "filling"))
    assert parts == pytest.approx(metrics["nll"], rel=1e-4)
    assert float(loss.detach()) == pytest.approx(metrics["nll"], rel=1e-5)
    alone = [one.loss([sample])[1]["nll"] for sample in samples]
    assert np.mean(alone) == pytest.approx(metrics["nll"], rel=1e-3)
    loss.backward()  # type: ignore[no-untyped-call]
    norms = gradient_norms(one.model)
    assert all(norms[part] > 0 for part in ("embedding", "H_level", "L_level", "ranking_head"))


def test_it_learns_what_it_is_shown(samples: list[RankSample]) -> None:
    one = RankLearner(network(), config().fitted(32))
    before = rank_rates(one.model, samples, "cpu")
    for _ in range(20):
        one.update(samples, 1.0)
    after = rank_rates(one.model.eval(), samples, "cpu")
    assert after["nll"] < 0.5 * before["nll"]
    assert after["mrr"] > 2 * before["mrr"]
    assert set(after) == {*(f"top_{k}" for k in KS), "mrr", "nll"}


def test_ranks_are_those_of_sorting(samples: list[RankSample]) -> None:
    with torch.no_grad():
        found, lists, answers = ranked(network(), samples, "cpu")
    places = ranks(found.total, lists, answers)
    at = 0
    for sample, place in zip(samples, places.tolist(), strict=True):
        scores = found.total[at : at + len(sample.listing.kept)].numpy()
        above, equal = scores > scores[sample.answer], scores == scores[sample.answer]
        assert place == pytest.approx(above.sum() + (equal.sum() + 1) / 2)
        at += len(scores)
    flat = ranks(torch.zeros_like(found.total), lists, answers)
    sizes = torch.tensor([len(one.listing.kept) for one in samples])
    torch.testing.assert_close(flat, (sizes + 1) / 2)


# --- a whole job ----------------------------------------------------------------------------------


def job(folder: Path, **changes: object) -> Job[RankConfig]:
    return supervised_job(folder, config(max_lines=4, **changes))


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two functions; looking through all there are takes minutes."""
    monkeypatch.setattr("hrmgym.trainers.rank.real_samples", lambda *_: [])
    for name in ("training_programs", "held_out_programs"):
        monkeypatch.setattr(f"hrmgym.trainers.rank.{name}", lambda _: PROGRAMS)


@pytest.mark.usefixtures("small_data")
def test_a_job_ships_a_network_that_knows_all_kinds_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    folder = train_rank(job(tmp_path / "straight"))
    model, extra = load_checkpoint(folder)
    assert extra["samples"] == 48
    assert len(model.config.ranking.kinds) > 70
    assert load_checkpoint(tmp_path / "straight" / "best")[1]["best_mrr"] > 0
    seen: list[int] = []

    def stop(phase: str, done: int, total: int, text: str) -> None:
        seen.append(done)
        if done == 24:
            raise KeyboardInterrupt

    stopped = job(tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        train_rank(Job(**{**fields(stopped), "on_progress": stop}))
    again = load_checkpoint(train_rank(stopped, resume=True))[0]
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.usefixtures("small_data")
def test_a_run_logs_the_documented_tags_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrmgym.trainers.supervised_run._LOG_EVERY", 2)
    seen: set[str] = set()
    listening = {"on_metrics": lambda step, scalars: seen.update(scalars)}
    train_rank(Job(**{**fields(job(tmp_path)), **listening}))  # type: ignore[arg-type]
    heads = {tag for tag in PPO_TAGS if tag.startswith("hrm/grad_norm")}
    assert seen <= {*RANKING_TAGS, *heads}
    assert {tag for tag in RANKING_TAGS if not tag.startswith("heldout_real")} <= seen


def fields(of: Job[RankConfig]) -> dict[str, object]:
    return {name: getattr(of, name) for name in Job.__slots__}


def test_shares_that_are_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="it must be at most 1"):
        config(real_share=0.7, tested_share=0.5)


def test_its_checkpoints_are_scored_by_their_order(tmp_path: Path) -> None:
    block = config().scored(tmp_path)
    assert block == {"kind": "ranked", "by": ["hrm"], "checkpoint": str(tmp_path)}


def test_an_environment_of_another_interface_is_refused(tmp_path: Path) -> None:
    other = {
        **fields(job(tmp_path)),
        "make_env": lambda split: SoftwareEnv(Tiny(), interface="shell"),
    }
    with pytest.raises(ConfigError, match="interface"):
        train_rank(Job(**other))  # type: ignore[arg-type]
