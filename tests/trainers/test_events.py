"""What a run logs: one stream over resumes, and whoever listens."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrmgym.tests.learning import config, learner, network, ppo_job, run
from hrmgym.trainers.best import Best
from hrmgym.trainers.events import StoppedByListener, drop_after, make_logger
from hrmgym.trainers.ppo import train_ppo
from hrmgym.trainers.stopping import Stopped
from hrmgym.trainers.supervised_run import learn


def steps(folder: Path, tag: str) -> list[int]:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return [event.step for event in found.Scalars(tag)]


def test_what_comes_after_a_time_is_taken_out(tmp_path: Path) -> None:
    for start in (0, 2):
        logger = make_logger(tmp_path)
        for step in (start, start + 1):
            logger.record("a/b", step)
            logger.dump(step)
            time.sleep(0.01)
            if step == 2:
                middle = time.time()
        logger.close()
    assert steps(tmp_path, "a/b") == [0, 1, 2, 3]
    assert drop_after(tmp_path, middle) == 1
    assert steps(tmp_path, "a/b") == [0, 1, 2]
    assert drop_after(tmp_path, middle) == 0
    assert drop_after(tmp_path, 0.0) > 0
    assert not list(tmp_path.iterdir())


def test_an_event_cut_short_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    logger = make_logger(tmp_path)
    logger.record("a/b", 1)
    logger.dump(1)
    logger.close()
    (file,) = tmp_path.iterdir()
    middle = time.time()
    file.write_bytes(file.read_bytes() + b"\x18\x00\x00")
    os.utime(file)
    assert drop_after(tmp_path, middle) == 0
    assert steps(tmp_path, "a/b") == [1]


@pytest.mark.parametrize("kind", [KeyError, SystemExit])
def test_a_listener_hears_scalars_and_may_end_it(tmp_path: Path, kind: type[Exception]) -> None:
    heard: list[tuple[int, Mapping[str, float]]] = []
    logger = make_logger(tmp_path, lambda step, values: heard.append((step, values)))
    logger.record("a/b", 1)
    logger.record("text", "not a scalar")
    logger.dump(7)
    logger.dump(8)
    assert heard == [(7, {"a/b": 1.0})]

    def refuse(step: int, values: Mapping[str, float]) -> None:
        raise kind("mine")

    logger = make_logger(tmp_path, refuse)
    logger.record("a/b", 1)
    with pytest.raises(StoppedByListener) as error:
        logger.dump(1)
    assert isinstance(error.value.__cause__, kind)


def test_a_run_that_was_killed_goes_on_in_one_stream(tmp_path: Path) -> None:
    """As SIGKILL leaves it: the saved state is older than what was logged last."""
    state = tmp_path / "checkpoints" / "ppo.zip"
    kept: list[tuple[bytes, float]] = []

    def keep(step: int, values: Mapping[str, float]) -> None:
        if step == 64 and "time/fps" in values:  # the state is that of step 32
            kept.append((state.read_bytes(), state.stat().st_mtime))
        if step == 96 and "time/fps" in values:
            raise StoppedByListener

    with pytest.raises(StoppedByListener):
        train_ppo(ppo_job(tmp_path, total_timesteps=128, on_metrics=keep))
    ((before, saved),) = kept
    state.write_bytes(before)
    os.utime(state, (saved, saved))
    train_ppo(ppo_job(tmp_path, total_timesteps=128), resume=True)
    assert steps(tmp_path / "tensorboard", "time/fps") == [32, 64, 96, 128]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_ppo_saves_between_two_steps(tmp_path: Path, number: str) -> None:
    import signal

    def stop(phase: str, done: int, total: int, text: str) -> None:
        if done == 40:
            os.kill(os.getpid(), getattr(signal, number))

    with pytest.raises(Stopped):
        train_ppo(ppo_job(tmp_path, on_progress=stop))
    assert (tmp_path / "checkpoints" / "ppo.zip").is_file()
    assert not list((tmp_path / "checkpoints").glob("*partial*"))


def test_the_seconds_of_a_run_are_those_of_all_its_starts(tmp_path: Path) -> None:
    first = learner(seconds=1e9)
    learn(first, run(tmp_path / "a.pt"))
    spent = first.seconds
    assert spent > 0
    second = learner(seconds=spent / 2, samples=1024)
    learn(second, run(tmp_path / "a.pt"))
    assert second.done == first.done + config().batch_size  # type: ignore[operator]
    assert second.seconds > spent


def test_the_best_is_kept_also_over_resumes(tmp_path: Path) -> None:
    from hrmgym.hrm.checkpoint import load_checkpoint, save_checkpoint

    model = network()

    def save(name: str, more: Mapping[str, float]) -> None:
        save_checkpoint(tmp_path / name, model, "card", {"num_timesteps": 1, **more})

    def best() -> Best:
        return Best(tmp_path, ("success_rate", "mean_reward"), save)

    assert best().offer({"success_rate": 0.5, "mean_reward": -1.0})
    assert not best().offer({"success_rate": 0.5, "mean_reward": -1.0})
    assert best().offer({"success_rate": 0.5, "mean_reward": 0.0})
    assert not best().offer({"success_rate": 0.25, "mean_reward": 9.0})
    assert not best().offer({"mean_reward": 9.0})  # without a verdict
    assert not best().offer({"success_rate": float("nan")})
    assert load_checkpoint(tmp_path / "best")[1]["best_success_rate"] == 0.5
    (tmp_path / "best" / "config.json").write_text("{")
    assert best().offer({"success_rate": 0.0})
