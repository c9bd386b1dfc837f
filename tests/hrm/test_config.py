import json

import pytest
import torch
from pydantic import ValidationError

from hrmgym.hrm.config import EditModelConfig, HRMConfig, RecursionConfig

from .conftest import small_config
from .test_model import config


def test_the_released_defaults():
    released = config()
    assert released.expansion == 4.0
    assert released.rms_norm_eps == 1e-5
    assert released.rope_theta == 10000.0
    assert released.halt_exploration_prob == 0.1
    assert released.gradient == "last_step"
    assert released.continue_pass
    assert not released.shared_levels


@pytest.mark.parametrize(("ndim", "positions"), [(0, 0), (16, 1), (17, 2), (512, 32)])
def test_puzzle_positions(ndim, positions):
    assert config(puzzle_emb_ndim=ndim).puzzle_positions == positions


def test_types():
    assert small_config(forward_dtype="bfloat16").dtype == torch.bfloat16
    assert small_config().dtype == torch.float32


def test_json_round_trip():
    original = small_config(segments=2)
    assert EditModelConfig(**json.loads(original.model_dump_json())) == original


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 33}, "hidden_size: 33 is not a multiple of twice num_heads: 2"),
        ({"hidden_size": 34}, "hidden_size: 34"),
        ({"vocab_size": 4}, "vocab_size"),
        ({"R": 0}, "R"),
        ({"gradient": "all"}, "gradient"),
        ({"segments": 1.5}, "segments"),
        ({"hiden_size": 32}, "hiden_size"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        small_config(**changes)


def test_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        small_config().segments = 2


@pytest.mark.parametrize("kind", [RecursionConfig, HRMConfig, EditModelConfig])
def test_every_field_is_documented(kind):
    missing = [name for name, field in kind.model_fields.items() if not field.description]
    assert not missing
