"""What records, tiles and shows environments: each of them, unchanged, over the real thing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import (
    AddRenderObservation,
    HumanRendering,
    RecordVideo,
    RenderCollection,
)
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecVideoRecorder

from hrmgym.envs.candidates import CandidateActions
from hrmgym.envs.picture import HEIGHT, WIDTH
from hrmgym.policies.hrm import HRMPolicy

KATAS = "hrmgym/Katas-v0"
SMALL = {"model": {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1}}


def made(**options: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(KATAS, render_mode="rgb_array", max_steps=3, **options)


def frames_in(folder: Path) -> list[np.ndarray]:
    """All frames of the one video that is there."""
    from moviepy import VideoFileClip

    (found,) = folder.glob("*.mp4")
    with VideoFileClip(str(found)) as clip:
        return list(clip.iter_frames())


def test_stable_baselines3_makes_and_tiles_them() -> None:
    stable = make_vec_env(KATAS, n_envs=3, seed=0)
    stable.reset()
    assert stable.render_mode == "rgb_array"
    assert all(image.shape == (HEIGHT, WIDTH, 3) for image in stable.get_images())
    tiled = stable.render()
    assert tiled is not None
    assert tiled.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    stable.close()


def test_ppo_takes_the_id_alone() -> None:
    model = PPO(HRMPolicy, KATAS, n_steps=4, batch_size=4, n_epochs=1, policy_kwargs=SMALL)
    model.learn(4)
    model.get_env().close()


def test_lists_of_pictures_and_of_texts() -> None:
    for mode, kind in (("rgb_array_list", np.ndarray), ("ansi_list", str)):
        env = gymnasium.make(KATAS, render_mode=mode, max_steps=3)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        shown = env.render()
        assert len(shown) == 2
        assert all(isinstance(one, kind) for one in shown)
        env.close()


def test_pictures_as_observations_and_over_candidates() -> None:
    env = AddRenderObservation(made(), render_only=True)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    env.close()
    collected = RenderCollection(CandidateActions(made(), 8))
    collected.reset(seed=0)
    collected.step(0)
    assert len(collected.render()) == 2
    collected.close()


def test_vector_environments_of_gymnasium_show_them() -> None:
    vector = gymnasium.make_vec(KATAS, 2, render_mode="rgb_array", vector_kwargs={})
    vector.reset(seed=0)
    assert [image.shape for image in vector.render()] == [(HEIGHT, WIDTH, 3)] * 2
    vector.close()


def tiled_of_workers(env_id: str, start: str | None) -> tuple[int, ...]:
    stable = make_vec_env(
        env_id, 2, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": start}
    )
    stable.reset()
    stable.step([stable.action_space.sample() for _ in range(2)])
    tiled = stable.render()
    stable.close()
    assert tiled is not None
    return tiled.shape


@pytest.mark.nightly
@pytest.mark.parametrize(("env_id", "start"), [(KATAS, "fork"), (f"hrmgym:{KATAS}", "spawn")])
def test_worker_processes_of_stable_baselines3(env_id: str, start: str) -> None:
    assert tiled_of_workers(env_id, start) == (2 * HEIGHT, WIDTH, 3)


@pytest.mark.nightly
def test_worker_processes_of_a_users_script(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import hrmgym\n"
        "from stable_baselines3.common.env_util import make_vec_env\n"
        "from stable_baselines3.common.vec_env import SubprocVecEnv\n"
        "if __name__ == '__main__':\n"
        f"    env = make_vec_env({KATAS!r}, 2, vec_env_cls=SubprocVecEnv)\n"
        "    env.reset()\n"
        "    print(env.render().shape)\n"
        "    env.close()\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == str((2 * HEIGHT, WIDTH, 3)), done.stderr


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
def test_record_video(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    env = RecordVideo(made(), str(tmp_path), episode_trigger=lambda _: True, disable_logger=True)
    env.reset(seed=0)
    done, shown = False, [env.unwrapped.render()]
    while not done:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        shown.append(env.unwrapped.render())
        done = terminated or truncated
    env.close()
    frames = frames_in(tmp_path)
    assert len(frames) == len(shown)
    for frame, picture in zip(frames, shown, strict=True):
        assert np.abs(frame.astype(int) - picture).mean() < 10, "the video shows the episode"


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
def test_vec_video_recorder(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    stable = DummyVecEnv([made, made])
    recorder = VecVideoRecorder(stable, str(tmp_path), lambda step: step == 0, video_length=4)
    recorder.reset()
    for _ in range(6):
        recorder.step([recorder.action_space.sample() for _ in range(2)])
    recorder.close()
    assert len(frames_in(tmp_path)) >= 4


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
def test_human_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    env = HumanRendering(made())
    env.reset(seed=0)
    env.step(env.action_space.sample())
    surface = pygame.surfarray.array3d(env.window).transpose(1, 0, 2)
    assert np.array_equal(surface, env.unwrapped.render())
    env.close()
