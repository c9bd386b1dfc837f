"""The temperature of where edits start, fitted on programs that nothing was trained on.

A network that has learned where made bugs are is too sure of itself on programs of another kind.
One number puts that right (temperature scaling, Guo et al. 2017, arXiv 1706.04599), and since the
scores of starts are linear in the head's weights, it goes into these: nothing else changes.

B samples, S canvas positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hrmgym.hrm.edit_model import EditModel
from hrmgym.policies.distribution import edit_distribution
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import Sample
from hrmgym.trainers.supervised import parts_of

#: Temperatures that are possible: sharper than half the scores, or flatter than a quarter, is an
#: accident of few samples.
COLDEST, HOTTEST = 0.5, 4.0
_PART_TOKENS = 4096
_STEPS = 40  # halvings: far below what samples can tell
_POSSIBLE = -1e8  # log-probabilities below are of what is not legal


def fit_temperature(log_probs: Sequence[Tensor], targets: Sequence[int]) -> float:
    """The T that makes the targets most probable under softmax(log_probs / T).

    The loss is convex in 1 / T, and its slope is what the distribution expects of `log_probs` less
    what the targets have.

    Args:
        log_probs: of each sample, [S], any S; very small where nothing is legal.
        targets: position of each sample.

    Returns:
        Between `COLDEST` and `HOTTEST`.
    """
    legal = [row[row > _POSSIBLE].double() for row in log_probs]
    reached = sum(float(row[at]) for row, at in zip(log_probs, targets, strict=True))
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = sum(float((row * (row * middle).softmax(0)).sum()) for row in legal)
        if expected < reached:  # still too flat
            low = middle
        else:
            high = middle
    return 1 / high


@torch.no_grad()
def calibrate(model: EditModel, samples: Sequence[Sample], device: str = "cpu") -> float:
    """Scales the network's scores of starts in place.

    Args:
        model: In evaluation mode.
        samples: With one right edit each.
        device: Where the network is.

    Returns:
        The temperature that the scores were divided by; 1.0 without samples.
    """
    if not samples:
        return 1.0
    log_probs: list[Tensor] = []
    targets: list[int] = []
    for part in parts_of(samples, _PART_TOKENS):
        batch = {key: value.to(device) for key, value in collate(part).items()}
        action = batch.pop("action")
        edits = edit_distribution(model, model.encode(batch), batch)
        log_probs += edits.start_log_probs.cpu().unbind(0)
        targets += action[:, 1].tolist()
    temperature = fit_temperature(log_probs, targets)
    model.span_head.start.weight.div_(temperature)
    return temperature
