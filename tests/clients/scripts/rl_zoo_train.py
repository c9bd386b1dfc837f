"""RL Zoo: its command trains on an id, with a file of settings."""

import subprocess
import sys
from pathlib import Path

ID = "hrmgym/Katas-Candidates-v0"
SETTINGS = f"""
{ID}:
  n_envs: 2
  n_timesteps: 32
  policy: MultiInputPolicy
  n_steps: 8
  batch_size: 8
"""

Path("settings.yml").write_text(SETTINGS)
subprocess.run(
    [
        *(sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", ID),
        *("--gym-packages", "hrmgym", "--conf-file", "settings.yml", "-f", "logs"),
        *("--eval-freq", "-1", "--seed", "0"),
    ],
    check=True,
)
assert list(Path("logs").rglob("*.zip"))
