"""Log-probabilities of many given actions on one canvas.

Actions that begin alike share the work: the replacement cell runs once for each prefix, whatever
number of actions go on from it.

N actions, M prefixes of a slot, S canvas positions, D hidden, R slots, V vocabulary, E = V + S.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from hrmgym.errors import ActionError
from hrmgym.hrm.copying import END
from hrmgym.hrm.edit_distribution import EditDistribution

#: Prefixes whose next entries are scored at once: E numbers each.
_CHUNK = 512


@torch.no_grad()
def score_edits(edits: EditDistribution, row: int, actions: Tensor) -> Tensor:
    """What `EditDistribution.log_prob` says of actions on one of its canvases.

    Args:
        edits: The distribution.
        row: Number of the canvas in its batch.
        actions: int64 [N, 3 + R], each an edit (tool 0).

    Returns:
        Log-probabilities in nats, -inf for what is not legal [N].

    Raises:
        ActionError: they are not int64 [N, 3 + R], or one is another tool's.
    """
    if actions.dim() == 2 and bool((actions[:, 0] != 0).any()):
        raise ActionError("score_edits takes edits alone; an action has another tool")
    one = edits.of_one(row)
    legal_N, active_NR = _legality(one, actions)
    found_N = torch.full((len(actions),), -torch.inf, device=actions.device)
    kept_N = legal_N.nonzero().squeeze(1)
    if not len(kept_N):
        return found_N
    chosen, active = actions[kept_N], active_NR[kept_N]
    start_N, end_N = chosen[:, 1], chosen[:, 2]
    span_log_probs = one.every_end_log_probs()[0]
    log_prob_N = one.tool_log_probs[0, 0] + one.start_log_probs[0, start_N]
    log_prob_N = log_prob_N + span_log_probs[start_N, end_N - start_N]
    found_N[kept_N] = log_prob_N + _replacements(one, chosen, active)
    return found_N


def _replacements(one: EditDistribution, actions: Tensor, active_NR: Tensor) -> Tensor:
    """Log-probabilities of the replacements, given their spans [N]."""
    found_N = torch.zeros(len(actions), device=actions.device)
    alive_N = torch.arange(len(actions), device=actions.device)
    # Nodes are the distinct prefixes of the slot: at first, the spans.
    spans, node_N = torch.unique(actions[:, 1:3], dim=0, return_inverse=True)
    start_M, end_M = spans[:, 0], spans[:, 1]
    previous_M = torch.full_like(start_M, END)  # not read at slot 0
    hidden_MD = one.begin(start_M[None], end_M[None])[0]
    for slot in range(active_NR.shape[1]):
        slot_M = torch.full_like(start_M, slot)
        step = (previous_M[None], start_M[None], end_M[None], slot_M[None])
        hidden_MD = one.advance(hidden_MD[None], *step)[0]
        entry_N = actions[alive_N, 3 + slot]
        may_end_M = (end_M > start_M) | (slot > 0)
        found_N[alive_N] += _chosen(one, hidden_MD, may_end_M, node_N, entry_N)
        if slot + 1 == active_NR.shape[1]:
            break
        going = active_NR[alive_N, slot + 1]
        if not bool(going.any()):
            break
        alive_N = alive_N[going]
        pairs = torch.stack((node_N[going], entry_N[going]), dim=1)
        nodes, node_N = torch.unique(pairs, dim=0, return_inverse=True)
        parent_M, previous_M = nodes[:, 0], nodes[:, 1]
        hidden_MD, start_M, end_M = hidden_MD[parent_M], start_M[parent_M], end_M[parent_M]
    return found_N


def _chosen(
    one: EditDistribution, hidden_MD: Tensor, may_end_M: Tensor, node_N: Tensor, entry_N: Tensor
) -> Tensor:
    """Log-probability of each action's next entry at its node [N]."""
    found_N = torch.empty(len(node_N), device=node_N.device)
    for first in range(0, len(hidden_MD), _CHUNK):
        part = slice(first, first + _CHUNK)
        log_probs = one.entry_log_probs(hidden_MD[None, part], may_end_M[None, part])[0]
        here_N = ((node_N >= first) & (node_N < first + _CHUNK)).nonzero().squeeze(1)
        found_N[here_N] = log_probs[node_N[here_N] - first, entry_N[here_N]]
    return found_N


def _legality(one: EditDistribution, actions: Tensor) -> tuple[Tensor, Tensor]:
    """See `EditDistribution.legality`, with the one canvas for every action."""
    wide = copy.copy(one)
    for name in ("editable", "targets", "legal_start", "legal_tools"):
        setattr(wide, name, getattr(one, name).expand(len(actions), -1))
    return wide.legality(actions)
