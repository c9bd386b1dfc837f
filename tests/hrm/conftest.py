"""A small edit model and canvases for it."""

from __future__ import annotations

import pytest
import torch

from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """These networks are far too small to share out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_config(**changes):
    settings = {
        "vocab_size": 30,
        "num_roles": 3,
        "num_languages": 6,
        "max_length": 24,
        "hidden_size": 32,
        "num_heads": 2,
        "H_layers": 1,
        "L_layers": 1,
        "H_cycles": 2,
        "L_cycles": 2,
        "R": 4,
        "max_span": 5,
    }
    return EditModelConfig(**settings | changes)


def small_model(seed=0, sharp=1.0, **changes):
    """A model whose heads are `sharp` times as decided as at the start."""
    torch.manual_seed(seed)
    model = EditModel(small_config(**changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "head" in name and "cell" not in name:
                parameter.mul_(sharp)
    return model


def canvases(config, lengths, seed=0):
    """Observation and legality of random canvases of the given real lengths."""
    generator = torch.Generator().manual_seed(seed)
    rows, size = len(lengths), config.max_length
    tokens = torch.randint(4, config.vocab_size, (rows, size), generator=generator)
    roles = torch.randint(0, config.num_roles, (rows, size), generator=generator)
    tokens[:, 0] = 2
    for row, length in enumerate(lengths):
        tokens[row, length:] = 0
        roles[row, length:] = 0
    observation = {
        "tokens": tokens,
        "roles": roles,
        "language": torch.randint(0, config.num_languages, (rows, 1), generator=generator),
        "budget": torch.randint(0, 9, (rows, config.budget_size), generator=generator),
    }
    editable = (tokens >= 4) & (torch.rand(rows, size, generator=generator) < 0.8)
    lexeme_start = torch.rand(rows, size, generator=generator) < 0.6
    legal_tools = torch.ones(rows, config.num_tools, dtype=torch.bool)
    return observation, (editable, lexeme_start, legal_tools)


def only_edits(legal):
    """The same legality with every other tool taken away."""
    editable, lexeme_start, legal_tools = legal
    legal_tools = legal_tools.clone()
    legal_tools[:, 1:] = False
    return editable, lexeme_start, legal_tools


@pytest.fixture
def distribution():
    """Three canvases of different lengths under a fairly decided model; edits only."""
    model = small_model(sharp=10.0)
    observation, legal = canvases(model.config, [12, 7, 20])
    return EditDistribution(model, model.encode(observation), *only_edits(legal))
