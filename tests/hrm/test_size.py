"""Tests of sizes: a network that does not fit is refused before its memory is asked for."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest

from hrmgym.errors import ConfigError
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.size import TRAINED_COPIES, check_fits, machine_memory, num_parameters
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.hrm import HRMPolicy, edit_model_config, make_hrm_policy


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden_size": 256, "num_heads": 8, "H_layers": 4, "L_layers": 1},
        {"hidden_size": 256, "H_layers": 4, "shared_levels": True},
        {"hidden_size": 32, "num_heads": 2},
    ],
)
def test_the_number_of_parameters_is_about_right(options: dict[str, Any]) -> None:
    config = edit_model_config(256, options)
    counted = sum(one.numel() for one in EditModel(config).parameters())
    assert num_parameters(config) == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_size": 10**6, "num_heads": 8},
        {"hidden_size": 8 * 2**40, "num_heads": 8},
        {"H_layers": 10**9},
        {"L_layers": 10**7, "shared_levels": True},
        {"expansion": 1e9},
    ],
)
def test_a_huge_network_is_a_sentence(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"about [\d,]+ parameters; their weights .* GiB"):
        EditModel(edit_model_config(256, options))
    env = gymnasium.make("hrmgym/Katas-v0")
    with pytest.raises(ConfigError, match="hidden_size"):
        make_hrm_policy(HRMPolicyConfig(kind="hrm", **options), env, 0)
    with pytest.raises(ConfigError, match="gradients and optimiser"):
        HRMPolicy(env.observation_space, env.action_space, lambda _: 1e-3, model=options)
    env.close()


def test_the_width_that_is_named_fits_and_the_next_does_not() -> None:
    memory = 2**30
    with pytest.raises(ConfigError, match="hidden_size that does is") as caught:
        check_fits(edit_model_config(256, {"hidden_size": 65536, "num_heads": 4}), 4, memory)
    width = int(str(caught.value).rsplit(" ", 1)[1].replace(",", ""))
    check_fits(edit_model_config(256, {"hidden_size": width, "num_heads": 4}), 4, memory)
    with pytest.raises(ConfigError, match="do not fit"):
        check_fits(edit_model_config(256, {"hidden_size": width + 8, "num_heads": 4}), 4, memory)


def test_every_size_in_use_fits_here() -> None:
    assert machine_memory() > 2**30
    check_fits(edit_model_config(512, {"hidden_size": 512, "num_heads": 8}), TRAINED_COPIES)
