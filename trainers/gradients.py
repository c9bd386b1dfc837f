"""Gradient norms by part of the network, for logs and for tests that no part is left out."""

from __future__ import annotations

from torch import nn


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """L2 norm of the gradient of each part; a part without any gradient has 0.

    Parts are the model's children, and the two levels of its recursive core apart.
    """
    squares: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        part = name.removeprefix("core.").partition(".")[0]
        squares.setdefault(part, 0.0)
        if parameter.grad is not None:
            squares[part] += float(parameter.grad.detach().float().pow(2).sum())
    return {part: square**0.5 for part, square in squares.items()}
