"""hrmgym: software-engineering environments for reinforcement learning.

Importing the package registers its environments with Gymnasium and imports neither torch nor
Stable-Baselines3.
"""

from hrmgym import envs

__all__ = ["__version__", "envs"]

__version__ = "0.1.0"
