"""What acts: the Policy protocol and its implementations."""

if __name__ == "policies":
    raise ImportError("this folder is the package hrmgym.policies: write `import hrmgym.policies`")

from typing import Any

import gymnasium

from hrmgym.errors import ConfigError
from hrmgym.policies.base import (
    Action,
    Observation,
    Policy,
    PolicyState,
    Proposal,
    Proposals,
    Spaces,
)
from hrmgym.policies.config import (
    HRMPolicyConfig,
    NgramConfig,
    NoopConfig,
    PolicyConfig,
    RandomConfig,
    ReferenceConfig,
)

__all__ = [
    "Action",
    "Observation",
    "Policy",
    "PolicyState",
    "Proposal",
    "Proposals",
    "Spaces",
    "make_policy",
]


def make_policy(
    config: PolicyConfig, env: gymnasium.Env[Any, Any] | Spaces, seed: int = 0
) -> Policy:
    """The policy that a config block describes, for one environment.

    torch is imported for policies that have weights only.

    Args:
        config: The block.
        env: The environment, of which the policy gets the spaces alone; or these.
        seed: Of what the policy draws.

    Raises:
        ConfigError: the policy cannot act through the environment's interface.
        CheckpointError: its checkpoint cannot be read, or is of another model.
    """
    spaces = env if isinstance(env, Spaces) else Spaces.of(env)
    from hrmgym.policies.baselines import NoopPolicy, RandomPolicy, ReferencePolicy

    if isinstance(config, HRMPolicyConfig):
        from hrmgym.policies.hrm import make_hrm_policy

        return make_hrm_policy(config, spaces, seed)
    if isinstance(config, NgramConfig):
        from hrmgym.policies.ngram import make_ngram_policy

        return make_ngram_policy(config, spaces)
    if isinstance(config, RandomConfig):
        return RandomPolicy(spaces, seed)
    if isinstance(config, NoopConfig):
        return NoopPolicy(spaces)
    if isinstance(config, ReferenceConfig):
        return ReferencePolicy(spaces)
    raise ConfigError(f"no policy is made of a {type(config).__name__}")
