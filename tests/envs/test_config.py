"""What an environment can be told: one declaration for Python and for experiment files."""

from __future__ import annotations

import inspect

import pytest

from hrmgym.envs.config import LONGEST, SHORTEST, EnvConfig
from hrmgym.envs.interfaces import INTERFACES, make_interface
from hrmgym.envs.rewards import DEFAULT_WEIGHTS, TERMS, RewardConfig
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.experiments.schema import Experiment
from hrmgym.tests.tiny import Tiny


def test_an_experiment_and_the_environment_have_the_same_keys_and_defaults() -> None:
    block = Experiment.model_fields["env"].annotation
    assert block is EnvConfig
    shown = inspect.signature(SoftwareEnv).parameters
    for name, field in EnvConfig.model_fields.items():
        if name != "rewards":  # which may be functions there
            assert shown[name].default == field.default, name
        assert f" {name}: " in (SoftwareEnv.__init__.__doc__ or "")


def test_what_is_given_reaches_the_environment() -> None:
    given = {
        "max_steps": 3,
        "max_test_runs": 2,
        "max_seconds": 1.5,
        "auto_test": False,
        "auto_submit": False,
        "canvas": 128,
    }
    env = SoftwareEnv(Tiny(), **given)
    assert env.interface.length == 128  # type: ignore[attr-defined]
    for name in given.keys() - {"canvas"}:
        assert getattr(env, name) == given[name], name
    plain, shell = SoftwareEnv(Tiny()), SoftwareEnv(Tiny(), interface="shell")
    assert (plain.max_test_runs, plain.max_seconds) == (8, None)
    assert (plain.interface_name, shell.interface_name) == ("edit", "shell")


def test_the_interfaces_are_those_that_can_be_made() -> None:
    for name in INTERFACES:
        assert EnvConfig(interface=name).interface == name  # type: ignore[arg-type]
        make_interface(name)


@pytest.mark.parametrize("length", [SHORTEST - 1, LONGEST + 1])
def test_a_canvas_has_one_range(length: int) -> None:
    with pytest.raises(ConfigError, match="canvas"):
        SoftwareEnv(Tiny(), canvas=length)
    with pytest.raises(ConfigError, match="canvas"):
        make_interface("edit", length)


def test_reward_terms_are_declared_with_their_weights() -> None:
    assert list(TERMS) == list(RewardConfig.model_fields)
    weights = RewardConfig().model_dump()
    assert {name: value for name, value in weights.items() if value} == dict(DEFAULT_WEIGHTS)
    assert dict(DEFAULT_WEIGHTS) == {
        "solved": 1.0,
        "progress": 0.2,
        "illegal": -0.05,
        "step": -0.01,
    }
