"""A run of supervised training: stopping, going on, finishing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from hrmgym.errors import WorkerError
from hrmgym.tests.learning import learner, run, stream
from hrmgym.trainers.data.batches import batches
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.learner import Learner
from hrmgym.trainers.supervised_run import Progress, finish, learn


def stop_at(samples: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.samples == samples:
            act()

    return watch


def ctrl_c() -> None:
    raise KeyboardInterrupt


def same(one: Learner, two: Learner) -> bool:
    """Whether two learners will do exactly the same from here on."""
    assert one.ema is not None
    assert two.ema is not None
    pairs = zip(one.model.parameters(), two.model.parameters(), strict=True)
    averages = zip(one.ema.state_dict().values(), two.ema.state_dict().values(), strict=True)
    moments = zip(
        one.optimizer.state_dict()["state"].values(),
        two.optimizer.state_dict()["state"].values(),
        strict=True,
    )
    return (
        all(torch.equal(a, b) for a, b in [*pairs, *averages])
        and all(torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in moments)
        and one.done == two.done
    )


@pytest.mark.parametrize("at", [48, 128, 176])  # inside, at the end of, and in another bucket
def test_a_resumed_run_ends_with_the_same_weights_to_the_bit(tmp_path: Path, at: int) -> None:
    straight = learner()
    learn(straight, run(tmp_path / "straight.pt"))
    assert straight.done == 256
    stopped = run(tmp_path / "stopped.pt", on_update=stop_at(at, ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        learn(learner(), stopped)
    assert not list(tmp_path.glob("*.partial"))
    again = learner(seed=7)
    learn(again, run(tmp_path / "stopped.pt"))
    assert same(straight, again)


def test_sigterm_ends_the_update_and_keeps_the_state(tmp_path: Path) -> None:
    def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        learn(learner(), run(tmp_path / "a.pt", on_update=stop_at(64, terminate)))
    assert signal.getsignal(signal.SIGTERM) is before
    again = learner()
    again.load(tmp_path / "a.pt")
    assert again.done == 64


def test_a_signal_to_all_processes_stops_the_run_and_keeps_the_state(tmp_path: Path) -> None:
    def terminate() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGTERM)
        time.sleep(5)  # until the death of the worker is noticed

    with pytest.raises(KeyboardInterrupt):
        learn(learner(workers=1), run(tmp_path / "a.pt", on_update=stop_at(64, terminate)))
    again = learner()
    again.load(tmp_path / "a.pt")
    assert again.done == 64


def test_an_update_that_was_cut_short_is_not_saved(tmp_path: Path) -> None:
    one = learner()
    update = one.update

    def cut(samples: Sequence[Sample], rate: float) -> dict[str, float]:
        found = update(samples, rate)
        if one.done == 64:
            raise KeyboardInterrupt
        return found

    one.save(tmp_path / "a.pt")
    one.update = cut  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        learn(one, run(tmp_path / "a.pt"))
    again = learner()
    again.load(tmp_path / "a.pt")
    assert again.done == 0


def test_the_samples_may_be_raised_and_the_mix_changed(tmp_path: Path) -> None:
    learn(learner(), run(tmp_path / "a.pt"))
    longer = learner(samples=320)
    learn(longer, run(tmp_path / "a.pt", stream=stream(seed=9)))
    assert longer.done == 320


def test_a_cosine_run_that_has_ended_stays_ended(tmp_path: Path) -> None:
    learn(learner(schedule="cosine"), run(tmp_path / "a.pt"))
    again = learner(schedule="cosine", samples=512)
    learn(again, run(tmp_path / "a.pt"))
    assert again.done == 256


def test_finish_decays_a_copy_and_leaves_the_run_alone(tmp_path: Path) -> None:
    learn(learner(), run(tmp_path / "run.pt"))
    kept = (tmp_path / "run.pt").read_bytes()
    shipped = learner(finish=0.25)
    seen: list[int] = []
    watched = run(tmp_path / "finish.pt", on_update=lambda now: seen.append(now.samples))
    finish(shipped, watched, tmp_path / "run.pt")
    assert seen == [272, 288, 304, 320]
    assert shipped.optimizer.param_groups[0]["lr"] < 3e-3
    assert (tmp_path / "run.pt").read_bytes() == kept
    # Stopped half way it goes on; after the run has moved on it begins anew.
    (tmp_path / "finish.pt").unlink()
    stopped = run(tmp_path / "finish.pt", on_update=stop_at(288, ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        finish(learner(finish=0.25), stopped, tmp_path / "run.pt")
    again = learner(finish=0.25)
    finish(again, run(tmp_path / "finish.pt"), tmp_path / "run.pt")
    assert same(shipped, again)
    learn(learner(samples=512), run(tmp_path / "run.pt"))
    seen.clear()
    finish(learner(finish=0.25), watched, tmp_path / "run.pt")
    assert seen[0] == 512 + 16
    assert seen[-1] == 640


def test_time_can_run_out(tmp_path: Path) -> None:
    hurried = learner(seconds=0.001)
    learn(hurried, run(tmp_path / "a.pt"))
    assert hurried.done == 16


class Dying:
    """A stream whose process dies at the second bucket."""

    def sample(self, index: int) -> Sample:
        if index >= 16:
            os._exit(3)
        return stream().sample(index)


def test_a_dead_worker_is_one_clear_error() -> None:
    found = batches(Dying(), 2, 0, workers=1)
    with pytest.raises(WorkerError, match="a process that makes training samples died"):
        list(found)
