"""Tests of a whole PPO run, on three tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from hrmgym.envs.rewards import RewardConfig
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.tests.learning import ppo_job
from hrmgym.trainers.job import pick_device
from hrmgym.trainers.ppo import train_ppo
from hrmgym.trainers.tags import ALL_TAGS, EVAL_TAGS, OPERATOR_TAGS, PPO_TAGS, TEXT_TAGS


def logged(folder: Path) -> set[str]:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return set(found.Tags()["scalars"])


def texts(folder: Path) -> dict[str, str]:
    """Tag -> what was logged last under it."""
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return {
        tag.removesuffix("/text_summary"): found.Tensors(tag)[-1]
        .tensor_proto.string_val[0]
        .decode()
        for tag in found.Tags()["tensors"]
        if tag.endswith("/text_summary")
    }


def test_rewards_of_every_term_are_documented() -> None:
    logged_terms = {f"env/reward_{term}" for term in RewardConfig.model_fields}
    assert logged_terms == {tag for tag in PPO_TAGS if tag.startswith("env/reward_")}


def test_a_run_logs_the_documented_tags_and_no_other(tmp_path: Path) -> None:
    phases: dict[str, int] = {}

    def on_progress(phase: str, done: int, total: int, text: str) -> None:
        assert 0 < done <= total
        phases[phase] = done

    folder = train_ppo(
        ppo_job(tmp_path, warm=True, eval_every=32, eval_episodes=1, on_progress=on_progress)
    )
    patterns = tuple(pattern.removesuffix("*") for pattern in OPERATOR_TAGS)
    plain = {tag for tag in logged(tmp_path) if not tag.startswith(patterns)}
    assert plain == set(ALL_TAGS)
    assert len(plain) < len(logged(tmp_path))
    written = texts(tmp_path)
    # An evaluation of one episode has one example; supervised ones have three.
    assert set(written) == set(TEXT_TAGS)
    assert written["run/config"] == "```yaml\nseed: 0\n```"
    assert all("```diff" in written[f"examples/repair_{number}"] for number in (1, 2, 3))
    assert "steps" in written["examples/repair_1"]
    assert "the known repair" in written["examples/repair_2"]
    shown = EventMultiplexer().AddRun(str(tmp_path / "tensorboard"), "run").Reload()
    metadata = shown.PluginRunToTagToContent("hparams")["run"]
    start = HParamsPluginData.FromString(metadata["_hparams_/session_start_info"])
    hparams = start.session_start_info.hparams
    assert hparams["trainer.gamma"].number_value == 0.99
    assert hparams["score.k"].string_value == "[1]"
    experiment = HParamsPluginData.FromString(metadata["_hparams_/experiment"]).experiment
    assert {one.name.tag for one in experiment.metric_infos} <= logged(tmp_path)
    assert phases == {"warm start": 1280, "ppo": 64}
    model, extra = load_checkpoint(folder)
    assert extra["num_timesteps"] == 64
    assert model.config.hidden_size == 32
    assert (folder / "README.md").read_text() == "card"


def test_a_run_without_warm_start_and_evaluation_logs_the_rest(tmp_path: Path) -> None:
    train_ppo(ppo_job(tmp_path))
    assert logged(tmp_path) == set(PPO_TAGS)
    assert not logged(tmp_path) & set(EVAL_TAGS)


def test_same_seed_same_weights(tmp_path: Path) -> None:
    one, two = (train_ppo(ppo_job(tmp_path / name)) for name in "ab")
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(tmp_path: Path) -> None:
    def stop(phase: str, done: int, total: int, text: str) -> None:
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ppo(ppo_job(tmp_path, on_progress=stop))
    _, extra = load_checkpoint(tmp_path / "checkpoints" / "latest")
    assert extra["num_timesteps"] == 40
    folder = train_ppo(ppo_job(tmp_path), resume=True)
    _, extra = load_checkpoint(folder)
    assert extra["num_timesteps"] >= 64
    assert not list((tmp_path / "checkpoints").glob("*partial*"))


def test_a_broken_state_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "ppo.zip").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        train_ppo(ppo_job(tmp_path), resume=True)


def test_devices() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "mps", "cuda")
    with pytest.raises(ConfigError, match="device 'cuda:99' is not there; use auto"):
        pick_device("cuda:99")
