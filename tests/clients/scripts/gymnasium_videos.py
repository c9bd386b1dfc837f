"""Pictures and videos: rgb_array, RecordVideo, HumanRendering, and SB3's VecVideoRecorder."""

from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import AddRenderObservation, HumanRendering, RecordVideo
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecVideoRecorder

import hrmgym  # noqa: F401

ID = "hrmgym/Katas-v0"


def main() -> None:
    env = gym.make(ID, render_mode="rgb_array", max_steps=3)
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.std() > 1, "nothing is drawn"
    env.close()

    video = RecordVideo(gym.make(ID, render_mode="rgb_array", max_steps=3), "single")
    video.reset(seed=0)
    ended = False
    while not ended:
        *_, terminated, truncated, _ = video.step(video.action_space.sample())
        ended = terminated or truncated
    video.close()
    assert [path.stat().st_size > 1000 for path in Path("single").glob("*.mp4")] == [True]

    seen = AddRenderObservation(gym.make(ID, render_mode="rgb_array", max_steps=3))
    observation, _ = seen.reset(seed=0)
    assert seen.observation_space.contains(observation)
    seen.close()

    shown = HumanRendering(gym.make(ID, render_mode="rgb_array", max_steps=3))
    shown.reset(seed=0)
    shown.step(shown.action_space.sample())
    shown.close()

    for kind in (None, SubprocVecEnv):
        vector = make_vec_env(ID, 2, vec_env_cls=kind, env_kwargs={"max_steps": 3})
        recorder = VecVideoRecorder(vector, "many", lambda step: step == 0, video_length=3)
        recorder.reset()
        for _ in range(4):
            recorder.step([recorder.action_space.sample() for _ in range(2)])
        recorder.close()
    assert any(path.stat().st_size > 1000 for path in Path("many").glob("*.mp4"))


if __name__ == "__main__":
    main()
