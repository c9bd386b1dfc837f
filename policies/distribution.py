"""The distribution over whole edits, as Stable-Baselines3 wants a distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import Distribution
from torch import Tensor, nn

from hrmgym.envs.interfaces import canvas
from hrmgym.envs.interfaces.edit import legal_tools
from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel, Encoded


def edit_distribution(
    model: EditModel, encoded: Encoded, observation: dict[str, Tensor]
) -> EditDistribution:
    """The distribution over the legal actions of a batch of observations."""
    roles = observation["roles"].cpu().numpy()
    budget = observation["budget"].cpu().numpy()

    def mask(values: np.ndarray[Any, np.dtype[np.bool_]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(encoded.tokens.device)

    return EditDistribution(
        model,
        encoded,
        editable=mask(canvas.editable(roles)),
        lexeme_start=mask(canvas.lexeme_start(roles)),
        legal_tools=mask(legal_tools(budget, roles)),
    )


class WholeEditDistribution(Distribution):
    """Wraps `EditDistribution` in the interface of Stable-Baselines3.

    Its parameters are an encoded canvas, not a flat tensor of logits.
    """

    def proba_distribution_net(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Nothing to make: the model's heads are the network."""
        return nn.Identity()

    def proba_distribution(self, edits: EditDistribution) -> WholeEditDistribution:
        """Takes the distribution of one batch of observations."""
        self.edits = edits
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probabilities of actions [B, 3 + R]: [B]."""
        return self.edits.log_prob(x.long())

    def entropy(self) -> Tensor:
        """One-sample estimate of the joint entropy: [B]."""
        return self.edits.entropy(self.edits.sample())

    def sample(self) -> Tensor:
        """One action per row: int64 [B, 3 + R]."""
        return self.edits.sample()

    def mode(self) -> Tensor:
        """The greedy action per row: int64 [B, 3 + R]."""
        return self.edits.mode()

    def actions_from_params(self, edits: EditDistribution, deterministic: bool = False) -> Tensor:
        """Samples, or the greedy actions."""
        return self.proba_distribution(edits).get_actions(deterministic=deterministic)

    def log_prob_from_params(self, edits: EditDistribution) -> tuple[Tensor, Tensor]:
        """Samples and their log-probabilities."""
        actions = self.actions_from_params(edits)
        return actions, self.log_prob(actions)
