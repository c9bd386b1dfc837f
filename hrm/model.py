"""HRM-ACT v1: two recurrent stacks, run in segments (HRM, models/hrm/hrm_act_v1.py).

B batch, S tokens, P puzzle positions before them, D hidden, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.errors import DataError
from hrmgym.hrm.config import CoreConfig, HRMConfig
from hrmgym.hrm.embedding import PuzzleEmbedding
from hrmgym.hrm.halting import Carry, continue_target, halts, take_new_rows
from hrmgym.hrm.layers import (
    Block,
    BlockWeights,
    CastedEmbedding,
    CastedLinear,
    Level,
    Rotary,
    RotaryPositions,
    truncated_normal_,
)
from hrmgym.hrm.products import Packing

#: Weights of the high and of the low stack as `Level.cast` gives them.
Weights = tuple[list[BlockWeights], list[BlockWeights]]


class Recursion(nn.Module):
    """The two stacks, their initial states, and one segment of the recursion."""

    def __init__(self, config: CoreConfig) -> None:
        super().__init__()
        self.recursion = config
        self.packing: Packing = "exact"
        """How weights are packed, in training or where gradients are on never in `int8`; a packed
        one cannot be told by its storage."""
        self._kept: tuple[object, Weights] | None = None
        if not config.shared_levels:
            self.H_level = _level(config, config.H_layers)
        self.L_level = _level(config, config.L_layers)
        self.H_init: Tensor
        self.L_init: Tensor
        for name in ("H_init", "L_init"):  # fixed, not learned
            state_D = torch.empty(config.hidden_size)
            truncated_normal_(state_D, std=1.0)
            self.register_buffer(name, state_D.to(config.dtype))

    @property
    def high(self) -> Level:
        """The stack that updates z_H."""
        return self.L_level if self.recursion.shared_levels else self.H_level

    def cast(self, dtype: torch.dtype) -> Weights:
        """Both stacks' weights, cast and packed once for all calls before the parameters change.

        Differentiated calls take them too; their gradients are added up in the parameters' own
        type. On a CPU they are kept outside training until a parameter changes, in whatever way.
        """
        exact = self.packing == "int8" and (self.training or torch.is_grad_enabled())
        packing: Packing = "exact" if exact else self.packing
        if self.training or self.H_init.device.type != "cpu":
            return self._cast(dtype, packing)
        key = (dtype, packing, [_state(one) for one in self.parameters()])
        kept = self._kept  # read once: another thread may be at it too
        if kept is None or kept[0] != key:
            self._kept = kept = None  # frees the old ones first
            self._kept = kept = (key, self._cast(dtype, packing))
        return kept[1]

    def _cast(self, dtype: torch.dtype, packing: Packing) -> Weights:
        low = self.L_level.cast(dtype, packing)
        if self.recursion.shared_levels:
            return low, low
        return self.high.cast(dtype, packing), low

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}  # packed weights can be neither copied nor pickled

    def initial_state(self, batch: int, positions: int) -> tuple[Tensor, Tensor]:
        """(z_H, z_L) before the first segment, each [B, P + S, D]; do not write into them."""
        shape = (batch, positions, self.recursion.hidden_size)
        return self.H_init.expand(shape), self.L_init.expand(shape)

    def segment(
        self,
        z_H: Tensor,
        z_L: Tensor,
        x: Tensor,
        rotary: Rotary | None,
        mask: Tensor | None = None,
        feedback: Callable[[Tensor], Tensor] | None = None,
        weights: Weights | None = None,
        first: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """One segment: `H_cycles` times `L_cycles` low updates and one high update.

        Args:
            z_H: high-level state [B, P + S, D].
            z_L: low-level state [B, P + S, D].
            x: embedded input [B, P + S, D]; it enters the low level only.
            rotary: tables of rotary positions, or None with learned ones.
            mask: bool, broadcast to [B, H, query, key]; True where a key may be attended to.
            feedback: gives what is added to z_H at the start of each high-level cycle; in the last
                one it is differentiated.
            weights: from `cast`, where several segments share it.
            first: of z_H, only position 0 is wanted, [B, 1, D], and no more of it is computed.

        Returns:
            New (z_H, z_L); only the calls that `gradient` names are differentiated.
        """
        config = self.recursion
        high, low = weights or self.cast(x.dtype)
        if config.architecture == "transformer":
            z_L = self.L_level(torch.zeros_like(x), x, rotary, mask, low)
            return self.high(torch.zeros_like(x), z_L, rotary, mask, high), z_L
        calls = config.H_cycles * (config.L_cycles + 1)
        taped = 2 if config.gradient == "last_step" else config.L_cycles + 1
        outer = torch.is_grad_enabled()
        for call in range(calls):
            if feedback is not None and call % (config.L_cycles + 1) == 0:
                with torch.set_grad_enabled(outer and call == calls - config.L_cycles - 1):
                    z_H = z_H + feedback(z_H)
            with torch.set_grad_enabled(outer and call >= calls - taped):
                if call % (config.L_cycles + 1) < config.L_cycles:
                    z_L = self.L_level(z_L, z_H + x, rotary, mask, low)
                else:
                    z_H = self.high(z_H, z_L, rotary, mask, high, first and call == calls - 1)
        return z_H, z_L


class Outputs(dict[str, Tensor]):
    """What one segment gives, by key as in HRM, and by attribute."""

    @property
    def logits(self) -> Tensor:
        """[B, S, V]."""
        return self["logits"]

    @property
    def q_halt_logits(self) -> Tensor:
        """fp32 [B]."""
        return self["q_halt_logits"]

    @property
    def q_continue_logits(self) -> Tensor:
        """fp32 [B]."""
        return self["q_continue_logits"]

    @property
    def target_q_continue(self) -> Tensor | None:
        """What `q_continue` is trained towards, in 0..1 [B]; None without the continue pass."""
        return self.get("target_q_continue")


class HRMCore(Recursion):
    """One segment with its embeddings and heads; attribute names are the released model's."""

    def __init__(self, config: HRMConfig) -> None:
        super().__init__(config)
        self.config = config
        width, positions = config.hidden_size, config.seq_len + config.puzzle_positions
        std = 1 / math.sqrt(width)
        self.embed_tokens = CastedEmbedding(config.vocab_size, width, std, config.dtype)
        self.lm_head = CastedLinear(width, config.vocab_size)
        self.q_head = CastedLinear(width, 2, bias=True, gain=0.0)
        assert self.q_head.bias is not None
        nn.init.constant_(self.q_head.bias, -5.0)
        if config.puzzle_emb_ndim:
            self.puzzle_emb = PuzzleEmbedding(
                config.num_puzzle_identifiers, config.puzzle_emb_ndim, config.dtype
            )
        if config.pos_encodings == "rope":
            self.rotary_emb = RotaryPositions(width, config.num_heads, positions, config.rope_theta)
        else:
            self.embed_pos = CastedEmbedding(positions, width, std, config.dtype)

    def embed(self, inputs_BS: Tensor, puzzle_identifiers_B: Tensor) -> Tensor:
        """Input of the recursion: [B, P + S, D]."""
        config = self.config
        x: Tensor = self.embed_tokens(inputs_BS)
        if config.puzzle_emb_ndim:
            puzzle: Tensor = self.puzzle_emb(puzzle_identifiers_B)
            size = config.puzzle_positions * config.hidden_size
            puzzle = F.pad(puzzle, (0, size - config.puzzle_emb_ndim))
            x = torch.cat((puzzle.view(-1, config.puzzle_positions, config.hidden_size), x), dim=1)
        if config.pos_encodings == "learned":
            x = math.sqrt(0.5) * (x + self.embed_pos.embedding_weight.to(x.dtype))
        return math.sqrt(config.hidden_size) * x

    def forward(
        self,
        z_H: Tensor,
        z_L: Tensor,
        data: Mapping[str, Tensor],
        weights: Weights | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One segment; `weights` as in `Recursion.segment`.

        Returns:
            z_H and z_L [B, P + S, D], logits [B, S, V], and the q logits (halt, continue) [B, 2]
            in fp32.
        """
        z_H, z_L = self._states(z_H, z_L, data, weights)
        logits: Tensor = self.lm_head(z_H[:, self.config.puzzle_positions :])
        return z_H, z_L, logits, self.q_head(z_H[:, 0]).float()

    def q_logits(
        self, z_H: Tensor, z_L: Tensor, data: Mapping[str, Tensor], weights: Weights
    ) -> Tensor:
        """The q logits of `forward` alone, [B, 2]; they depend on position 0 of the last block."""
        z_H, _ = self._states(z_H, z_L, data, weights, first=True)
        q_B2: Tensor = self.q_head(z_H[:, 0]).float()
        return q_B2

    def _states(
        self,
        z_H: Tensor,
        z_L: Tensor,
        data: Mapping[str, Tensor],
        weights: Weights | None,
        first: bool = False,
    ) -> tuple[Tensor, Tensor]:
        x = self.embed(data["inputs"], data["puzzle_identifiers"])
        rope = self.config.pos_encodings == "rope"
        rotary = self.rotary_emb(x.shape[1], x.dtype) if rope else None
        return self.segment(z_H, z_L, x, rotary, weights=weights, first=first)


class HRM(nn.Module):
    """HRM-ACT v1: runs a segment per call, and refills the rows that halted."""

    def __init__(self, config: HRMConfig) -> None:
        super().__init__()
        self.config = config
        self.inner = HRMCore(config)

    def initial_carry(self, batch: Mapping[str, Tensor]) -> Carry:
        """A carry whose rows have all halted, so that the first segment takes the whole batch.

        Raises:
            DataError: when the batch does not have the shapes of the configuration.
        """
        inputs = batch["inputs"]
        if inputs.ndim != 2 or inputs.shape[1] != self.config.seq_len:
            raise DataError(
                f"inputs: shape {list(inputs.shape)}, expected [batch, seq_len="
                f"{self.config.seq_len}]"
            )
        count, device = len(inputs), inputs.device
        z_H, z_L = self.inner.initial_state(
            count, self.config.seq_len + self.config.puzzle_positions
        )
        return Carry(
            z_H=z_H,
            z_L=z_L,
            steps=torch.zeros(count, dtype=torch.int32, device=device),
            halted=torch.ones(count, dtype=torch.bool, device=device),
            current_data={key: torch.zeros_like(value) for key, value in batch.items()},
        )

    def forward(self, carry: Carry, batch: Mapping[str, Tensor]) -> tuple[Carry, Outputs]:
        """One segment.

        Args:
            carry: from `initial_carry` or the previous call.
            batch: `inputs` and `labels` [B, S], `puzzle_identifiers` [B]; only the rows that the
                carry marks as halted are taken.

        Returns:
            The next carry, and `logits` [B, S, V], `q_halt_logits` [B], `q_continue_logits` [B];
            in training with the continue pass also `target_q_continue` [B]; see `Outputs`.
        """
        fresh = carry.halted.view(-1, 1, 1)
        z_H = torch.where(fresh, self.inner.H_init, carry.z_H)
        z_L = torch.where(fresh, self.inner.L_init, carry.z_L)
        data = take_new_rows(carry, batch)
        weights = self.inner.cast(self.config.dtype)
        z_H, z_L, logits, q_B2 = self.inner(z_H, z_L, data, weights)
        z_H, z_L = z_H.detach(), z_L.detach()
        outputs = Outputs(logits=logits, q_halt_logits=q_B2[:, 0], q_continue_logits=q_B2[:, 1])
        with torch.no_grad():
            steps = torch.where(carry.halted, 0, carry.steps) + 1
            halted = halts(self.config, steps, q_B2[:, 0], q_B2[:, 1], self.training)
            if self.training and self.config.continue_pass and self.config.halt_max_steps > 1:
                # No target network and no replay: the same weights one segment on, as in PQN
                # (Gallici et al. 2024, arXiv 2407.04811).
                next_B2 = self.inner.q_logits(z_H, z_L, data, weights)
                last = steps >= self.config.halt_max_steps
                outputs["target_q_continue"] = continue_target(last, next_B2[:, 0], next_B2[:, 1])
        return Carry(z_H, z_L, steps, halted, data), outputs


def _state(parameter: Tensor) -> tuple[int, int, int]:
    """What is another after a change: its place, its version, and the sum of its bits.

    The version does not count what is written through `.data`, and there is none in inference mode.
    """
    bits = parameter.detach().flatten()
    bits = bits.view(torch.int64 if bits.nbytes % 8 == 0 else torch.uint8)
    version = 0 if parameter.is_inference() else parameter._version
    return parameter.data_ptr(), version, int(bits.sum())


def _level(config: CoreConfig, layers: int) -> Level:
    return Level(
        [
            Block(config.hidden_size, config.num_heads, config.expansion, config.rms_norm_eps)
            for _ in range(layers)
        ]
    )
