"""The dial of sizes, and what follows from it."""

from __future__ import annotations

import pytest
import torch

from hrmgym.config import Block
from hrmgym.envs.software import SoftwareEnv
from hrmgym.errors import ConfigError
from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies import make_policy
from hrmgym.policies.config import SIZES, HRMPolicyConfig
from hrmgym.policies.hrm import checkpoint_options, edit_model_config
from hrmgym.tests.tiny import Tiny
from hrmgym.trainers.config import PretrainConfig

#: Size -> parameters in all, and in the recursion alone.
PARAMETERS = {
    "tiny": (742_123, 131_072),
    "mini": (2_409_899, 1_048_576),
    "small": (6_712_107, 3_407_872),
    "base": (36_222_507, 27_262_976),
    "large": (80_675_115, 63_700_992),
}


def model(**options: object) -> EditModel:
    shape = checkpoint_options(HRMPolicyConfig(kind="hrm", **options))  # type: ignore[arg-type]
    with torch.device("meta"):
        return EditModel(edit_model_config(512, shape))


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("size", sorted(SIZES))
def test_parameters_of_each_size(size: str) -> None:
    made = model(size=size)
    assert (count(made), count(made.core)) == PARAMETERS[size]


def test_what_is_given_beside_the_size_wins() -> None:
    config = HRMPolicyConfig(kind="hrm", size="small", H_layers=1)
    assert (config.hidden_size, config.H_layers, config.L_layers) == (256, 1, 2)


def test_the_transformer_has_the_same_parameters_and_runs_each_block_once() -> None:
    recurrent, plain = model(size="small"), model(size="small", architecture="transformer")
    assert count(recurrent) == count(plain)
    calls: list[int] = []
    tiny = EditModel(
        edit_model_config(
            64, {"hidden_size": 16, "num_heads": 2, "architecture": "transformer", "segments": 1}
        )
    )
    for level in (tiny.core.H_level, tiny.core.L_level):
        for layer in level.layers:
            layer.register_forward_hook(lambda *_: calls.append(1))
    batch = {
        "tokens": torch.tensor([[2, 300, 3, 0]]),
        "roles": torch.tensor([[1, 7, 2, 0]]),
        "language": torch.zeros(1, 1, dtype=torch.long),
        "budget": torch.zeros(1, 8, dtype=torch.long),
    }
    tiny.encode(batch)
    assert len(calls) == 4  # two layers in each of the two stacks


def test_rates_follow_from_the_width_unless_they_are_given() -> None:
    fitted = [PretrainConfig(kind="pretrain").fitted(width) for width in (64, 256, 512, 768)]
    rates = [one.learning_rate or 0 for one in fitted]
    assert rates == sorted(rates, reverse=True)
    assert [one.batch_size for one in fitted] == [32, 64, 128, 192]
    own = PretrainConfig(kind="pretrain", learning_rate=0.5, weight_decay=0.0, batch_size=3)
    assert own.fitted(256) == own


def test_a_block_of_no_known_policy_does_not_act_as_the_reference() -> None:
    class Unheard(Block):
        kind: str = "unheard"

    with pytest.raises(ConfigError, match="no policy is made of a Unheard"):
        make_policy(Unheard(), SoftwareEnv(Tiny()))  # type: ignore[arg-type]
