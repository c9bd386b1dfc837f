"""Whether an environment, as it is wrapped, is one that HRMPolicy can read and act in.

The network looks token ids up in a table. A wrapper that scales, stacks, flattens or drops them
leaves it numbers that mean nothing, which it would find out with a bare IndexError, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from torch import Tensor

from hrmgym.envs.interfaces import EditInterface, canvas
from hrmgym.envs.interfaces.textspace import TextSpace
from hrmgym.envs.task import LANGUAGES
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import ConfigError

_KEYS = ("tokens", "roles", "language", "budget")
_LEAST_CANVAS = 64
_SCALED = (
    "use VecNormalize(norm_obs=False), which still normalises rewards, and leave out "
    "NormalizeObservation, RescaleObservation and DtypeObservation"
)


def check_spaces(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> int:
    """The canvas's length L, if these are the spaces of the `edit` interface.

    Further keys of observations are none of its business.

    Raises:
        ConfigError: they are not; the message names the wrapper that is likely to blame.
    """
    where = "HRMPolicy needs the observations of interface='edit'"
    if isinstance(observations, TextSpace | spaces.Text):
        raise ConfigError(f"{where}; interface='shell' shows text")
    if not isinstance(observations, spaces.Dict):
        raise ConfigError(
            f"{where}, a Dict of {', '.join(_KEYS)}; got {_short(observations)}: leave out "
            "FlattenObservation, AddRenderObservation, or whatever else replaces them"
        )
    if "candidates" in observations.spaces:
        raise ConfigError(
            f"{where}; CandidateActions shows features of its candidates: train MaskablePPO("
            "'MultiInputPolicy', ...) on it, or give HRMPolicy the environment that it wraps"
        )
    if missing := [key for key in _KEYS if key not in observations.spaces]:
        raise ConfigError(
            f"{where}; {', '.join(missing)} missing: FilterObservation must keep {', '.join(_KEYS)}"
        )
    length = _length(observations["tokens"], actions)
    known = EditInterface(length)
    for key in _KEYS:
        _check_part(key, observations[key], known.observation_space[key])
    if not isinstance(actions, spaces.MultiDiscrete) or not np.array_equal(
        actions.nvec, known.action_space.nvec
    ):
        raise ConfigError(
            f"HRMPolicy needs the actions of interface='edit' with canvas={length}, a "
            f"MultiDiscrete of {len(known.action_space.nvec)} entries; got {_short(actions)}: "
            "leave out what changes actions"
        )
    return length


def _length(tokens: spaces.Space[Any], actions: spaces.Space[Any]) -> int:
    """L, as actions and observations agree on it."""
    shape = tokens.shape or ()
    acts_on = None
    if isinstance(actions, spaces.MultiDiscrete) and actions.nvec.size > 2:
        acts_on = int(actions.nvec.flat[1])
    if len(shape) != 1 or (acts_on is not None and acts_on != shape[0]):
        of = "" if acts_on is None else f" for a canvas of {acts_on}"
        raise ConfigError(
            f"HRMPolicy reads one canvas of tokens, shape (L,); got shape {shape}{of}: leave out "
            "FrameStackObservation and VecFrameStack; hrmgym.policies.memory.PreviousStep shows "
            "the step before"
        )
    if shape[0] < _LEAST_CANVAS:
        raise ConfigError(
            f"HRMPolicy reads canvases of at least {_LEAST_CANVAS} tokens; got {shape[0]}"
        )
    return int(shape[0])


def _check_part(key: str, found: spaces.Space[Any], known: spaces.Space[Any]) -> None:
    if found.shape != known.shape:
        raise ConfigError(
            f"HRMPolicy: {key!r} of the observations has shape {found.shape}, not {known.shape}: "
            "leave out FrameStackObservation, ReshapeObservation and what else changes it"
        )
    is_integer = found.dtype is not None and np.issubdtype(found.dtype, np.integer)
    assert isinstance(known, spaces.Box)
    if not isinstance(found, spaces.Box) or not is_integer:
        raise ConfigError(
            f"HRMPolicy: {key!r} of the observations is {_short(found)}, not integers: {_SCALED}"
        )
    if (found.low != known.low).any() or (found.high != known.high).any():
        raise ConfigError(
            f"HRMPolicy: {key!r} of the observations lies in {found.low.min()} to "
            f"{found.high.max()}, not in {known.low.min()} to {known.high.max()}: {_SCALED}"
        )


def check_observation(observation: Mapping[str, Tensor]) -> None:
    """Whether a batch holds what its space promises.

    Raises:
        ConfigError: it holds no ids and counts any more.
    """
    highest = {
        "tokens": load_tokens().size - 1,
        "roles": canvas.NUM_ROLES - 1,
        "language": len(LANGUAGES) - 1,
        "budget": None,
    }
    if missing := [key for key in _KEYS if key not in observation]:
        raise ConfigError(f"HRMPolicy: an observation without {', '.join(missing)}")
    for key, high in highest.items():
        values = observation[key]
        broken = values[values != values.round()] if values.is_floating_point() else values[:0]
        if broken.numel():
            raise ConfigError(
                f"HRMPolicy: {key!r} of the observations are integers no more, for example "
                f"{float(broken.flatten()[0]):.4g}: {_SCALED}"
            )
        least, most = (int(one) for one in values.aminmax()) if values.numel() else (0, 0)
        if least < 0 or (high is not None and most > high):
            raise ConfigError(
                f"HRMPolicy: {key!r} of the observations holds {least if least < 0 else most}, "
                f"outside 0 to {high if high is not None else 'any count'}: {_SCALED}"
            )


def _short(space: spaces.Space[Any]) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else text[:77] + "..."
