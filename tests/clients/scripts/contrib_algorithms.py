"""sb3-contrib: MaskablePPO by the environment's own masks, QR-DQN, and recurrent PPO."""

from sb3_contrib import QRDQN, MaskablePPO, RecurrentPPO
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

import hrmgym  # noqa: F401

ID = "hrmgym/Katas-Candidates-v0"


def main() -> None:
    for kind in (None, SubprocVecEnv):
        vector = make_vec_env(ID, 2, seed=0, vec_env_cls=kind)
        model = MaskablePPO("MultiInputPolicy", vector, n_steps=8, batch_size=8, n_epochs=1)
        model.learn(32)
        observation = vector.reset()
        masks = get_action_masks(vector)
        actions, _ = model.predict(observation, action_masks=masks)
        assert all(mask[action] for mask, action in zip(masks, actions, strict=True))
        vector.close()
    QRDQN("MultiInputPolicy", ID, learning_starts=8, buffer_size=64).learn(16)
    RecurrentPPO("MultiInputLstmPolicy", ID, n_steps=8, batch_size=8, n_epochs=1).learn(16)


if __name__ == "__main__":
    main()
