"""The optimizer of HRM and the moving average of TRM, in plain torch on any device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hrmgym.errors import ConfigError

#: Entries of a parameter that are updated at a time.
_PIECE = 1 << 18


class AdamATan2(Optimizer):
    """Adam with atan2 in place of the division, so without an epsilon (Everett et al. 2024,
    arXiv 2407.05872, section 5), and with decoupled weight decay.

    p <- (1 - lr * decay) * p - lr / (1 - b1^t) * atan2(m, sqrt(v / (1 - b2^t))), as in HRM-Text,
    models/adam_atan2.py. A learning rate of 0 is legal: warm-up starts there.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.1,
    ) -> None:
        if lr < 0 or weight_decay < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ConfigError(
                f"AdamATan2: lr={lr}, betas={betas}, weight_decay={weight_decay}: lr and "
                "weight_decay must be at least 0, betas in [0, 1)"
            )
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros_like(parameter)
                state["step"] += 1
                correction = math.sqrt(1 - beta2 ** state["step"])
                rate = group["lr"] / (1 - beta1 ** state["step"])
                tensors = (parameter, parameter.grad, state["mean"], state["square"])
                for value, gradient, mean, square in _pieces(*tensors):
                    mean.lerp_(gradient, 1 - beta1)
                    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                    root = square.pow(0.5).div_(correction)  # torch's sqrt has slow sizes on a CPU
                    value.mul_(1 - group["lr"] * group["weight_decay"])
                    value.add_(torch.atan2(mean, root, out=root), alpha=-rate)
        return loss


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of equal parts of tensors of one shape, on a CPU so small that they stay in its cache.

    An update goes over each part some ten times.
    """
    small = tensors[0].numel() <= _PIECE or tensors[0].device.type != "cpu"
    if small or not all(tensor.is_contiguous() for tensor in tensors):
        yield tensors
        return
    flat = tuple(tensor.view(-1) for tensor in tensors)
    for at in range(0, len(flat[0]), _PIECE):
        yield tuple(tensor[at : at + _PIECE] for tensor in flat)


class EMA:
    """A moving average of a model's parameters (TRM, models/ema.py, where decay is 0.999)."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"EMA: decay={decay} is not in [0, 1)")
        self.model = model
        self.decay = decay
        self.average = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the parameters; call it after each optimizer step."""
        for name, parameter in self.model.named_parameters():
            self.average[name].lerp_(parameter, 1 - self.decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged parameters inside the block, its own again after it."""
        own = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._write(self.average)
        try:
            yield
        finally:
            self._write(own)

    def state_dict(self) -> dict[str, Tensor]:
        """The average, for resuming."""
        return dict(self.average)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Takes over an average that `state_dict` gave."""
        for name, average in self.average.items():
            average.copy_(state[name])

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.copy_(values[name])
