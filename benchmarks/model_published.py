"""HRM-ACT v1's training step as it was published, operation by operation, in plain torch.

What `benchmarks/model.py` compares with: sapientinc/HRM, pretrain.py, models/hrm/hrm_act_v1.py,
models/layers.py and models/losses.py, restated. Weights are cast at every use, keys and queries
are turned by their rotated halves, normalisation is written out, the Q target takes a second whole
pass, and the optimizer goes over each parameter in turn. The two things that need CUDA there are
replaced by what they compute: flash attention by torch's own, the fused optimizer by its formula.

B batch, S positions, D hidden, H heads, K = D / H, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE_LABEL = -100


class Published:
    """Weights by their released names, a carry, and one training step."""

    def __init__(self, weights: Mapping[str, Tensor], config: Mapping[str, object]) -> None:
        """Takes a copy of released weights, and the keys of the released configuration."""
        self.config = dict(config)
        self.fixed = {"H_init", "L_init", "puzzle_emb.weights"}
        self.weights = {
            name: tensor.detach().clone().requires_grad_(name not in self.fixed)
            for name, tensor in weights.items()
        }
        self.dtype = getattr(torch, str(self.config["forward_dtype"]))
        size = self.number("hidden_size") // self.number("num_heads")
        length = self.number("seq_len") + 1
        inverse = 1.0 / 10000.0 ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
        angle = torch.outer(torch.arange(length, dtype=torch.float32), inverse)
        angle = torch.cat((angle, angle), dim=-1)
        self.cos, self.sin = angle.cos(), angle.sin()
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}
        self.steps_taken = 0
        self.puzzle_rows = torch.zeros(0)

    def number(self, key: str) -> int:
        """An integer of the configuration."""
        value = self.config[key]
        assert isinstance(value, int)
        return value

    # --- layers ----------------------------------------------------------------------------------

    def linear(self, name: str, x: Tensor) -> Tensor:
        """A projection, cast to its input's type."""
        bias = self.weights.get(name + ".bias")
        weight = self.weights[name + ".weight"].to(x.dtype)
        return F.linear(x, weight, None if bias is None else bias.to(x.dtype))

    def turned(self, x_BSHK: Tensor) -> Tensor:
        """Rotary positions, in the tables' fp32."""
        half = x_BSHK.shape[-1] // 2
        wide = x_BSHK.to(self.cos.dtype)
        swapped = torch.cat((-wide[..., half:], wide[..., :half]), dim=-1)
        out = wide * self.cos.unsqueeze(-2) + swapped * self.sin.unsqueeze(-2)
        return out.to(x_BSHK.dtype)

    def attention(self, prefix: str, x_BSD: Tensor) -> Tensor:
        batch, length, width = x_BSD.shape
        heads = self.number("num_heads")
        qkv = self.linear(prefix + "qkv_proj", x_BSD).view(batch, length, 3 * heads, -1)
        query, key = self.turned(qkv[:, :, :heads]), self.turned(qkv[:, :, heads : 2 * heads])
        parts = (t.transpose(1, 2) for t in (query, key, qkv[:, :, 2 * heads :]))
        mixed = F.scaled_dot_product_attention(*parts)
        return self.linear(prefix + "o_proj", mixed.transpose(1, 2).reshape(batch, length, width))

    def feed_forward(self, prefix: str, x_BSD: Tensor) -> Tensor:
        gate, up = self.linear(prefix + "gate_up_proj", x_BSD).chunk(2, dim=-1)
        return self.linear(prefix + "down_proj", F.silu(gate) * up)

    def norm(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        variance = wide.square().mean(-1, keepdim=True)
        return (wide * torch.rsqrt(variance + 1e-5)).to(x.dtype)

    def stack(self, level: str, state: Tensor, injection: Tensor) -> Tensor:
        state = state + injection
        for layer in range(self.number(f"{level[0]}_layers")):
            prefix = f"{level}.layers.{layer}."
            state = self.norm(state + self.attention(prefix + "self_attn.", state))
            state = self.norm(state + self.feed_forward(prefix + "mlp.", state))
        return state

    # --- the network -----------------------------------------------------------------------------

    def embed(self, data: Mapping[str, Tensor], training: bool) -> Tensor:
        width = self.number("hidden_size")
        tokens = F.embedding(data["inputs"], self.weights["embed_tokens.embedding_weight"])
        rows = self.weights["puzzle_emb.weights"][data["puzzle_identifiers"]]
        if training:
            self.puzzle_rows = rows.requires_grad_()
        puzzle = rows.to(self.dtype).view(-1, 1, width)
        return math.sqrt(width) * torch.cat((puzzle, tokens.to(self.dtype)), dim=-2)

    def inner(
        self, z_H: Tensor, z_L: Tensor, data: Mapping[str, Tensor], training: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One pass: z_H, z_L, logits [B, S, V] and q logits in fp32 [B, 2]."""
        x = self.embed(data, training)
        H_cycles, L_cycles = self.number("H_cycles"), self.number("L_cycles")
        with torch.no_grad():
            for high in range(H_cycles):
                for low in range(L_cycles):
                    if not (high == H_cycles - 1 and low == L_cycles - 1):
                        z_L = self.stack("L_level", z_L, z_H + x)
                if high != H_cycles - 1:
                    z_H = self.stack("H_level", z_H, z_L)
        z_L = self.stack("L_level", z_L, z_H + x)
        z_H = self.stack("H_level", z_H, z_L)
        logits = self.linear("lm_head", z_H)[:, 1:]
        return z_H.detach(), z_L.detach(), logits, self.linear("q_head", z_H[:, 0]).float()

    def initial_carry(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A carry in which every row has halted."""
        count = len(batch["inputs"])
        shape = (count, self.number("seq_len") + 1, self.number("hidden_size"))
        return {
            "z_H": torch.zeros(shape, dtype=self.dtype),
            "z_L": torch.zeros(shape, dtype=self.dtype),
            "steps": torch.zeros(count, dtype=torch.int32),
            "halted": torch.ones(count, dtype=torch.bool),
        } | {key: torch.zeros_like(value) for key, value in batch.items()}

    # --- the step --------------------------------------------------------------------------------

    def loss(
        self, carry: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The next carry, and the summed loss of one segment."""
        fresh = carry["halted"]
        rows = fresh.view(-1, 1, 1)
        z_H = torch.where(rows, self.weights["H_init"], carry["z_H"])
        z_L = torch.where(rows, self.weights["L_init"], carry["z_L"])
        steps = torch.where(fresh, 0, carry["steps"])
        data = {
            key: torch.where(fresh.view(-1, *[1] * (new.ndim - 1)), new, carry[key])
            for key, new in batch.items()
        }
        z_H, z_L, logits, q = self.inner(z_H, z_L, data, training=True)
        q_halt, q_continue = q[:, 0], q[:, 1]
        most = self.number("halt_max_steps")
        with torch.no_grad():
            steps = steps + 1
            last = steps >= most
            halted = last | (q_halt > q_continue)
            explore = torch.rand_like(q_halt) < 0.1
            least = explore * torch.randint_like(steps, low=2, high=most + 1)
            halted = halted & (steps >= least)
            after = self.inner(z_H, z_L, data, training=False)[3]
            best = torch.where(last, after[:, 0], torch.maximum(after[:, 0], after[:, 1]))
            target = torch.sigmoid(best)

        labels = data["labels"]
        with torch.no_grad():
            valid = labels != IGNORE_LABEL
            count = valid.sum(-1)
            right = (valid & (logits.argmax(-1) == labels)).sum(-1) == count
        wide = logits.to(torch.float64)
        mass = torch.where(wide < 0, 1 / (1 - wide + 1e-30), wide + 1)
        log_prob = torch.log(mass / mass.sum(-1, keepdim=True))
        chosen = log_prob.gather(-1, torch.where(valid, labels, 0).unsqueeze(-1)).squeeze(-1)
        token_loss = -torch.where(valid, chosen, 0) / count.clamp_min(1).unsqueeze(-1)
        q_loss = F.binary_cross_entropy_with_logits(q_halt, right.to(q.dtype), reduction="sum")
        q_loss = q_loss + F.binary_cross_entropy_with_logits(q_continue, target, reduction="sum")
        following = {"z_H": z_H, "z_L": z_L, "steps": steps, "halted": halted, **data}
        return following, token_loss.sum() + 0.5 * q_loss

    @torch.no_grad()
    def update(self, lr: float, weight_decay: float) -> None:
        """AdamATan2 on the parameters, sign descent on the batch's puzzle rows; drops gradients."""
        self.steps_taken += 1
        beta1, beta2 = 0.9, 0.95
        for name, p in self.weights.items():
            if p.grad is None:
                continue
            if name not in self.moments:
                self.moments[name] = (torch.zeros_like(p), torch.zeros_like(p))
            mean, square = self.moments[name]
            p.mul_(1 - lr * weight_decay)
            mean.lerp_(p.grad, 1 - beta1)
            square.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            root = square.sqrt() / math.sqrt(1 - beta2**self.steps_taken)
            p.add_(torch.atan2(mean, root), alpha=-lr / (1 - beta1**self.steps_taken))
            p.grad = None

    @torch.no_grad()
    def update_puzzles(self, ids_B: Tensor, lr: float, weight_decay: float) -> None:
        """Sign descent on the puzzle rows of the last batch."""
        table, gradient = self.weights["puzzle_emb.weights"], self.puzzle_rows.grad
        assert gradient is not None
        unique, place = torch.unique(ids_B, return_inverse=True)
        summed = torch.zeros(len(unique), table.shape[1]).index_add_(0, place, gradient)
        table[unique] = table[unique] * (1 - lr * weight_decay) - lr * summed.sign()
