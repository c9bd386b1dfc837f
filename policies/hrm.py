"""HRMPolicy: the network as a Stable-Baselines3 actor-critic, and as a policy to score and search.

    PPO(HRMPolicy, env, policy_kwargs={"model": {"hidden_size": 128, ...}})

trains the same weights that `act` and `propose` use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import Space
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from hrmgym.config import read_block
from hrmgym.envs.interfaces import canvas
from hrmgym.envs.interfaces.base import TOOLS
from hrmgym.envs.interfaces.edit import BUDGET, REPLACEMENT
from hrmgym.envs.task import LANGUAGES
from hrmgym.envs.tokens import load_tokens
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import load_checkpoint
from hrmgym.hrm.config import EditConfig, EditModelConfig, Mark, marked
from hrmgym.hrm.edit_distribution import EditDistribution
from hrmgym.hrm.edit_model import EditModel, Encoded, touched
from hrmgym.hrm.products import cpu_multiplies_bf16
from hrmgym.hrm.reverse import Memory
from hrmgym.hrm.size import TRAINED_COPIES, check_fits
from hrmgym.policies.base import Action, Observation, PolicyState, Proposal, Proposals, Spaces
from hrmgym.policies.config import HRMPolicyConfig
from hrmgym.policies.distribution import WholeEditDistribution, edit_distribution
from hrmgym.policies.fitting import check_observation, check_spaces
from hrmgym.policies.memory import what_came

#: How many further proposals `act` asks for when it has used up those for an observation.
_MORE = 8


#: Keys of a policy's config block that the network is made of.
_SHAPE = tuple(EditConfig.model_fields)
#: Those among them that the weights fit whatever they are, and those that may add parts.
_FREE, _ADDED = (tuple(marked(EditConfig, mark)) for mark in (Mark.FREE, Mark.ADDED))
_ADDED_PARTS = (
    *("specialists.", "outcome_gate.", "outcome_head."),
    *("ranking_head.", "trace_embedding."),
)


def edit_model_config(canvas_length: int, options: Mapping[str, Any]) -> EditModelConfig:
    """The network's configuration for the `edit` interface.

    Args:
        canvas_length: L.
        options: Keys of `hrmgym.policies.config.HRMPolicyConfig`; what is missing has its default.

    Raises:
        ConfigError: an unknown key, or a value out of range.
    """
    config = read_block(HRMPolicyConfig, {"kind": "hrm", **options}, "model")
    made = {
        "vocab_size": load_tokens().size,
        "num_roles": canvas.NUM_ROLES,
        "num_languages": len(LANGUAGES),
        "budget_size": len(BUDGET),
        "num_tools": len(TOOLS),
        "R": REPLACEMENT,
        "max_length": canvas_length,
        "forward_dtype": pick_dtype(config.dtype),
        **{key: getattr(config, key) for key in _SHAPE},
    }
    return read_block(EditModelConfig, made, "model")


def pick_dtype(name: str) -> Literal["float32", "bfloat16"]:
    """`auto` as bfloat16 where the hardware multiplies in it, else float32."""
    if name == "auto":
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return "bfloat16" if fast or cpu_multiplies_bf16() else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


def load_weights(policy: HRMPolicy, folder: str | Path) -> None:
    """Takes over a checkpoint's weights.

    Raises:
        CheckpointError: it cannot be read, or is of another model.
    """
    take_weights(policy.model, folder)


def take_weights(ours: EditModel, folder: str | Path) -> None:
    """Takes over a checkpoint's weights; parts that it lacks stay as they are.

    Raises:
        CheckpointError: it cannot be read, or is of another model.
    """
    model, _ = load_checkpoint(folder)
    saved, here = model.config.model_dump(), ours.config.model_dump()
    for key in here.keys() - {"forward_dtype", *_FREE}:  # weights fit either type
        fits = _may_become(key, saved[key], here[key]) if key in _ADDED else saved[key] == here[key]
        if not fits:
            raise CheckpointError(
                f"{folder}: of another model: its {key} is {saved[key]}, here it is {here[key]}"
            )
    missing = ours.load_state_dict(model.state_dict(), strict=False).missing_keys
    assert all(name.startswith(_ADDED_PARTS) for name in missing), missing


def _may_become(key: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a part of a checkpoint can be used as `wanted`."""
    if key == "specialists":
        return saved["kind"] == "none" or saved == wanted
    if key == "ranking":
        return not saved["kinds"] or saved == wanted
    head_stays = bool(wanted["outcome_weight"]) or not saved["outcome_weight"]
    return head_stays and saved["kind"] in ("off", wanted["kind"])


def checkpoint_options(config: HRMPolicyConfig) -> dict[str, Any]:
    """The network's options: the checkpoint's where one is given, else the block's.

    Raises:
        CheckpointError: the block gives a key that the checkpoint contradicts.
    """
    block = config.model_dump(mode="json")  # reports hold the options
    options: dict[str, Any] = {key: block[key] for key in _SHAPE}
    if config.checkpoint is not None:
        saved = load_checkpoint(config.checkpoint)[0].config.model_dump(mode="json")
        for key in _SHAPE:
            given = key in config.model_fields_set
            if given and key in _FREE:
                continue
            if given and key in _ADDED and _may_become(key, saved[key], options[key]):
                continue
            if given and options[key] != saved[key]:
                raise CheckpointError(
                    f"{config.checkpoint}: of another model: its {key} is {saved[key]}, "
                    f"policy.{key} is {options[key]}"
                )
            options[key] = saved[key]
    return options | {"dtype": config.dtype, "products": config.products}


def make_hrm_policy(config: HRMPolicyConfig, spaces: Spaces, seed: int) -> HRMPolicy:
    """A policy to act with: from the block's checkpoint, or untrained.

    Raises:
        ConfigError: the spaces are not those of the `edit` interface.
        CheckpointError: the checkpoint cannot be read, or is of another model.
    """
    torch.manual_seed(seed)
    policy = HRMPolicy(
        spaces.observation_space,
        spaces.action_space,
        lambda _: 0.0,
        model=checkpoint_options(config),
        trainable=False,
    )
    if config.checkpoint is not None:
        load_weights(policy, config.checkpoint)
    policy.set_training_mode(False)
    policy.seed(seed)
    return policy


@dataclass(frozen=True, slots=True)
class ActState:
    """What `HRMPolicy.act` carries through an episode."""

    seen: dict[bytes, tuple[list[Proposal], set[bytes]]] = field(default_factory=dict)
    """For each observation met, the proposals that are left and the actions that were used."""
    last: tuple[Observation, Action, tuple[Tensor, Tensor]] | None = None
    """The step before: what was seen, what was done, and the states (z_H, z_L) it left."""


class HRMPolicy(ActorCriticPolicy):
    """Actor and critic share one EditModel; actions come from `WholeEditDistribution`."""

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        lr_schedule: Schedule,
        model: Mapping[str, Any] | None = None,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.AdamW,
        optimizer_kwargs: dict[str, Any] | None = None,
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        """Makes the network.

        Args:
            observation_space: That of the `edit` interface.
            action_space: That of the `edit` interface.
            lr_schedule: Remaining progress (1 to 0) -> learning rate.
            model: Keys of `HRMPolicyConfig`: hidden_size, num_heads, H_layers, ...
            optimizer_class: Optimiser of all parameters.
            optimizer_kwargs: Its further arguments.
            trainable: Whether to make the optimiser; to act alone, none is needed, and torch
                takes seconds to import what optimisers need.
            **kwargs: What Stable-Baselines3 passes to every policy, for example `use_sde`.

        Raises:
            ConfigError: the spaces are not those of the `edit` interface, or the network is too
                large for this machine.
        """
        self._options = dict(model or {})
        self._canvas_length = check_spaces(observation_space, action_space)
        self._trainable = trainable
        if (
            trainable
            and edit_model_config(self._canvas_length, self._options).remembers
            and "last_outcome" not in getattr(observation_space, "spaces", {})
        ):
            raise ConfigError(
                "to train a policy that depends on its last step, wrap the environment in "
                "hrmgym.policies.memory.PreviousStep"
            )
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            ortho_init=False,  # the network has its own initialisation
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
            **kwargs,
        )

    def _build(self, lr_schedule: Schedule) -> None:
        self.action_dist = WholeEditDistribution()  # type: ignore[no-untyped-call]
        self._generator: torch.Generator | None = None
        config = edit_model_config(self._canvas_length, self._options)
        check_fits(config, TRAINED_COPIES if self._trainable else 1)
        self.model = EditModel(config)
        self.model.core.packing = self._options.get("products", "exact")
        if self._trainable:
            make: Any = self.optimizer_class  # the base class takes no lr; every optimiser does
            self.optimizer = make(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            "observation_space": self.observation_space,
            "action_space": self.action_space,
            "lr_schedule": self._dummy_schedule,
            "model": self._options,
            "optimizer_class": self.optimizer_class,
            "optimizer_kwargs": self.optimizer_kwargs,
        }

    # --- Stable-Baselines3 -----------------------------------------------------------------------

    def encode(
        self, obs: Mapping[str, Tensor], memory: Memory | None = None
    ) -> tuple[Encoded, EditDistribution]:
        """One forward pass: everything that is read off a batch of observations.

        Raises:
            ConfigError: the observations have been scaled on their way.
        """
        observation = dict(obs)
        check_observation(observation)
        encoded = self.model.encode(observation, memory)
        return encoded, edit_distribution(self.model, encoded, observation)

    def forward(self, obs: Any, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions [B, 3 + R], values [B, 1] and log-probabilities [B]."""
        encoded, edits = self.encode(obs)
        actions = edits.mode() if deterministic else edits.sample()
        return actions, encoded.value.unsqueeze(1), edits.log_prob(actions)

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values [B, 1], log-probabilities [B] and entropies [B] of actions [B, 3 + R].

        The entropy sums those of the choices along the action; it is unbiased for actions drawn
        from the present policy, which PPO's are up to the clipped ratio.
        """
        encoded, edits = self.encode(obs)
        found = edits.evaluate(actions.long(), entropy=True)
        return encoded.value.unsqueeze(1), found.log_prob, found.entropy

    def get_distribution(self, obs: Any) -> WholeEditDistribution:
        """The distribution over whole edits for a batch of observations."""
        distribution = WholeEditDistribution()  # type: ignore[no-untyped-call]
        return distribution.proba_distribution(self.encode(obs)[1])

    def predict_values(self, obs: Any) -> Tensor:
        """Values [B, 1]."""
        check_observation(obs)
        return self.model.encode(dict(obs)).value.unsqueeze(1)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        edits = self.encode(observation)[1]
        return edits.mode() if deterministic else edits.sample()

    # --- hrmgym.policies.base.Proposer -----------------------------------------------------------

    def seed(self, seed: int) -> None:
        """Seeds what `act` draws; without it, it draws from torch's global generator."""
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self.model.generator = torch.Generator().manual_seed(seed)

    def act(
        self,
        observation: Observation,
        *,
        state: PolicyState = None,
        deterministic: bool = False,
    ) -> tuple[Action, PolicyState]:
        """One action; deterministic ones do not repeat themselves within an episode.

        At an observation that was seen before in the episode (an edit was taken back, or refused),
        the next best proposal follows. `state` is an `ActState`, or None at the first step.
        """
        before: ActState = ActState() if state is None else state
        remembers, memory = self.model.config.remembers, None
        if remembers and before.last is not None:
            was, done, _ = before.last
            recent = {"previous_action": done, "last_outcome": what_came(was, observation)}
            memory = self._memory(before, recent["last_outcome"])
            observation = {**observation, **recent}
        if not deterministic:
            with torch.no_grad():
                encoded, edits = self.encode(self._batch(observation), memory)
                action = edits.sample(self._generator)[0].cpu().numpy()
            last = (observation, action, encoded.latents) if remembers else None
            return action, ActState(before.seen, last)
        key = observation["tokens"].tobytes() + observation["roles"].tobytes()
        left, used = before.seen.setdefault(key, ([], set()))
        if left and not remembers:
            action = left.pop().action
            used.add(action.tobytes())
            return action, before
        encoded, (found,) = self._best([observation], len(used) + _MORE, memory)
        left[:] = [one for one in reversed(found) if one.action.tobytes() not in used]
        action = left.pop().action if left else found[0].action
        used.add(action.tobytes())
        return action, ActState(
            before.seen, (observation, action, encoded.latents) if remembers else None
        )

    def propose(self, observation: Observation, k: int) -> Proposals:
        """The k best complete actions, exactly ordered, from one forward pass.

        Edits that change nothing are left out, and of those that leave the same tokens all but the
        most probable: each would cost a test run.

        As at the first step of an episode, unless the observation holds the step before (see
        `hrmgym.policies.memory.PreviousStep`).
        """
        return self.propose_batch([observation], k)[0]

    def propose_batch(self, observations: Sequence[Observation], k: int) -> list[Proposals]:
        """What `propose` says of each observation, from one forward pass over all.

        Up to rounding: a product's last bits depend on the size of its batch.
        """
        if not observations:
            return []
        encoded, found = self._best(observations, k, None)
        return [
            Proposals(actions=actions, value=float(value))
            for actions, value in zip(found, encoded.value, strict=True)
        ]

    def _best(
        self, observations: Sequence[Observation], k: int, memory: Memory | None
    ) -> tuple[Encoded, list[list[Proposal]]]:
        with torch.no_grad():
            encoded, edits = self.encode(self._batch(*observations), memory)
            best = edits.top_k(k, distinct=True)
        return encoded, [
            [Proposal(action.cpu().numpy(), float(score)) for action, score in row] for row in best
        ]

    def _memory(self, state: ActState, came: npt.NDArray[np.float32]) -> Memory:
        """The step before, as the network wants it."""
        assert state.last is not None
        _, action, latents = state.last
        start, end = touched(torch.as_tensor(action, device=self.device).unsqueeze(0))
        outcome = torch.as_tensor(came, device=self.device).unsqueeze(0)
        present = torch.ones(1, dtype=torch.bool, device=self.device)
        return Memory(*latents, start, end, outcome, present)

    def _batch(self, *observations: Observation) -> dict[str, Tensor]:
        return {
            key: torch.as_tensor(
                np.stack([np.asarray(one[key]) for one in observations]), device=self.device
            )
            for key in observations[0]
        }
