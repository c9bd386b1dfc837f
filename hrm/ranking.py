"""Ranking a list of legal edits: what the network gives each of them, all in one pass.

The probability of an edit is that of its kind (say, `comparison`), times that of its place among
the places that have edits of the kind, times that of what is filled in among all that the list has
for that kind and place. Each of the three is normalised over the list, and what lies below is
evidence for what lies above: with t a filling's score, s a place's and u a kind's,

    log P(filling) = t - logsumexp t                      over the edits of a kind at a place
    log P(place)   = s + m - logsumexp (s + m)            m: the log of the mean of exp t
    log P(kind)    = u + m' - logsumexp (u + m')          m': the log of the mean of exp (s + m)

As means and not sums go up, an untrained head takes every kind for as probable as the others,
whatever the number of its edits.

B canvases, S positions, D hidden, N edits of all lists, M places, Q pairs of a kind and a place,
G kinds that a list has, U fillings, X entries of them, W different ones, V tokens, C kinds that the
network knows, E and F widths in which pairs and fillings meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.heads import FLAT
from hrmgym.hrm.layers import CastedEmbedding, CastedLinear

#: Most tokens of a filling that are looked at.
FILLING = 32
#: What may be known of a canvas position: see `hrmgym.policies.trace`.
TRACES = 18
_BORDERS = 5  # states that stand for a place
# Widths in which kinds and places meet fillings: by a product, and by a layer.
_NEAR, _BOTH = 64, 32


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a batch, flat; integers are int64."""

    canvas_N: Tensor
    """The canvas that an edit is of [N]."""
    pair_N: Tensor
    """Its kind and place [N]."""
    filling_N: Tensor
    """What it fills in [N]."""
    kind_Q: Tensor
    """Number of a pair's kind [Q]; 0 is for kinds that the network does not know."""
    place_Q: Tensor
    """Number of its place [Q]."""
    group_Q: Tensor
    """Its canvas and kind [Q]."""
    canvas_G: Tensor
    """The canvas of such a group [G]."""
    kind_G: Tensor
    """Its kind [G]."""
    canvas_M: Tensor
    """The canvas of a place [M]."""
    start_M: Tensor
    """First position of a place [M]."""
    end_M: Tensor
    """The position after its last; `start_M` where something is put in [M]."""
    vocabulary_V: Tensor
    """The tokens that stand in fillings, each once [V]."""
    token_W: Tensor
    """Token of each entry that fillings have, as a number of the above [W]."""
    canvas_W: Tensor
    """The canvas that it may be copied from [W]."""
    copy_W: Tensor
    """A position where the token's lexeme stands there; -1: nowhere [W]."""
    offset_W: Tensor
    """Number of the token in its filling, below `FILLING` [W]."""
    entry_X: Tensor
    """Entries of all fillings, one filling after the other [X]."""
    length_U: Tensor
    """How many entries each filling has [U]."""

    @property
    def canvases(self) -> int:
        """B; every canvas has an edit."""
        return int(self.canvas_N.max()) + 1

    def to(self, device: torch.device | str) -> Lists:
        """The same on a device."""
        return Lists(*(getattr(self, name).to(device) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Log-probabilities in nats of the edits of some lists; `total` sums to 1 over each list."""

    kind: Tensor
    """Of an edit's kind [N]."""
    place: Tensor
    """Of its place, given the kind [N]."""
    filling: Tensor
    """Of what it fills in, given both [N]."""

    @property
    def total(self) -> Tensor:
        """Of the edit [N]."""
        return self.kind + self.place + self.filling


class RankingHead(nn.Module):
    """See the module's text.

    Args:
        width: D.
        kinds: C, of which the first is for those that are not known.
        kind_logits: Whether a kind has a score of its own, beside what its places give.
    """

    def __init__(self, width: int, kinds: int, kind_logits: bool = True) -> None:
        super().__init__()
        self.width = width
        self.site = CastedLinear(_BORDERS * width, width, bias=True)
        self.kinds = CastedEmbedding(kinds, width, 1.0, torch.float32)
        self.pair = CastedLinear(width, width)
        self.place_score = CastedLinear(width, 1, gain=FLAT)
        self.offsets = CastedEmbedding(FILLING, width, 0.5, torch.float32)
        self.token = CastedLinear(width, width)
        self.copied = CastedLinear(width, width)
        self.filling = CastedLinear(width, width, bias=True)
        self.query = CastedLinear(width, _NEAR, gain=FLAT)
        self.key = CastedLinear(width, _NEAR)
        self.meet_pair = CastedLinear(width, _BOTH, bias=True)
        self.meet_filling = CastedLinear(width, _BOTH)
        self.filling_score = CastedLinear(_BOTH, 1, gain=FLAT)
        if kind_logits:
            self.kind_head = CastedLinear(width, kinds, bias=True, gain=FLAT)
        self._kind_logits = kind_logits

    def forward(self, z_BSD: Tensor, embedding: CanvasEmbedding, lists: Lists) -> Ranking:
        """Ranks.

        Args:
            z_BSD: States of the canvases, fp32.
            embedding: Of the tokens.
            lists: What is to be ranked.
        """
        pair_QD = self._pairs(z_BSD, lists)
        t_N = self._meet(pair_QD, self._fillings(z_BSD, embedding, lists), lists)
        pairs, groups, canvases = len(lists.kind_Q), len(lists.kind_G), len(z_BSD)
        fillings_Q = _logsumexp(t_N, lists.pair_N, pairs)
        filling_N = t_N - fillings_Q[lists.pair_N]
        s_Q = self.place_score(pair_QD).squeeze(-1)
        s_Q = s_Q + fillings_Q - _log_count(lists.pair_N, pairs)
        places_G = _logsumexp(s_Q, lists.group_Q, groups)
        place_Q = s_Q - places_G[lists.group_Q]
        u_G = places_G - _log_count(lists.group_Q, groups)
        if self._kind_logits:
            u_G = u_G + self.kind_head(z_BSD[:, 0])[lists.canvas_G, lists.kind_G]
        kind_G = u_G - _logsumexp(u_G, lists.canvas_G, canvases)[lists.canvas_G]
        return Ranking(
            kind=kind_G[lists.group_Q[lists.pair_N]],
            place=place_Q[lists.pair_N],
            filling=filling_N,
        )

    def _pairs(self, z_BSD: Tensor, lists: Lists) -> Tensor:
        """What stands for a kind at a place [Q, D]."""
        canvas_M, start_M, end_M = lists.canvas_M, lists.start_M, lists.end_M
        sums = F.pad(z_BSD.cumsum(1), (0, 0, 1, 0))
        many_M1 = (end_M - start_M).clamp(min=1).unsqueeze(1)
        mean_MD = (sums[canvas_M, end_M] - sums[canvas_M, start_M]) / many_M1
        borders = (
            z_BSD[canvas_M, (start_M - 1).clamp(min=0)],
            z_BSD[canvas_M, start_M],
            mean_MD,
            z_BSD[canvas_M, (end_M - 1).clamp(min=0)],
            z_BSD[canvas_M, end_M],
        )
        site_MD = self.pair(F.gelu(self.site(torch.cat(borders, dim=-1))))
        return F.gelu(site_MD[lists.place_Q] + self.kinds(lists.kind_Q))

    def _fillings(self, z_BSD: Tensor, embedding: CanvasEmbedding, lists: Lists) -> Tensor:
        """What stands for a filling [U, D]."""
        # What few tokens, positions and entries give is worked out once, and summed for the many.
        batch, size, width = z_BSD.shape
        nowhere = batch * size
        copied = F.pad(self.copied(z_BSD).view(nowhere, width), (0, 0, 0, 1))
        at_W = torch.where(lists.copy_W < 0, nowhere, lists.canvas_W * size + lists.copy_W)
        token_VD = self.token(embedding.of_tokens(lists.vocabulary_V))
        x_WD = F.embedding(lists.token_W, token_VD) + F.embedding(at_W, copied)
        x_WD = F.gelu(x_WD + F.embedding(lists.offset_W, self.offsets.embedding_weight))
        begin_U = lists.length_U.cumsum(0) - lists.length_U
        sum_UD = F.embedding_bag(lists.entry_X, x_WD, begin_U, mode="sum")
        root_U1 = lists.length_U.clamp(min=1).sqrt().unsqueeze(1)
        out: Tensor = self.filling(sum_UD / root_U1)
        return out

    def _meet(self, pair_QD: Tensor, filling_UD: Tensor, lists: Lists) -> Tensor:
        """How well a filling fits a kind and a place [N]."""
        query_QE = self.query(pair_QD) / math.sqrt(_NEAR)
        near_N = (query_QE[lists.pair_N] * self.key(filling_UD)[lists.filling_N]).sum(-1)
        both_NF = self.meet_pair(pair_QD)[lists.pair_N]
        both_NF = F.gelu(both_NF + self.meet_filling(filling_UD)[lists.filling_N])
        out: Tensor = near_N + self.filling_score(both_NF).squeeze(-1)
        return out


def _logsumexp(x_N: Tensor, group_N: Tensor, groups: int) -> Tensor:
    """Of the entries of each group, none of which is empty [groups]."""
    top = x_N.new_full((groups,), -torch.inf)
    top = top.scatter_reduce(0, group_N, x_N.detach(), "amax")
    sums = x_N.new_zeros(groups).index_add(0, group_N, (x_N - top[group_N]).exp())
    return top + sums.log()


def _log_count(group_N: Tensor, groups: int) -> Tensor:
    """The log of each group's number of entries [groups]."""
    return torch.bincount(group_N, minlength=groups).float().log()
