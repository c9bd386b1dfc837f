"""Learning the order of legal edits: the right one against all others of its list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.ranking import Lists, Ranking
from hrmgym.policies.listing import collated
from hrmgym.trainers.data.ranked_bugs import RankSample
from hrmgym.trainers.supervised import SupervisedLearner

#: Ranks that are counted: right among the first so many of its list.
KS = (1, 10, 100)


class RankLearner(SupervisedLearner[RankSample]):
    """Learns by the likelihood of the right edit, which is normalised over its list.

    So all other edits of the list are negatives, and those of the same kind or place, which share
    most of what the score is made of, are the hard ones.
    """

    def weight(self, samples: Sequence[RankSample]) -> int:
        """Lists; each counts the same."""
        return len(samples)

    def loss(self, samples: Sequence[RankSample]) -> tuple[Tensor, dict[str, float]]:
        """Mean negative log-likelihood, in nats, its three parts, and how the right one ranks."""
        ranking, lists, answers = ranked(self.model, samples, self.device)
        loss = -ranking.total[answers].mean()
        places = ranks(ranking.total.detach(), lists, answers)
        return loss, {
            "nll": float(loss.detach()),
            "nll_kind": -float(ranking.kind[answers].mean().detach()),
            "nll_place": -float(ranking.place[answers].mean().detach()),
            "nll_filling": -float(ranking.filling[answers].mean().detach()),
            **{f"top_{k}": float((places <= k).float().mean()) for k in KS},
        }


def ranked(
    model: EditModel, samples: Sequence[RankSample], device: str
) -> tuple[Ranking, Lists, Tensor]:
    """The probabilities of all edits of some samples, and the numbers of the right ones [B]."""
    batch = {
        key: torch.from_numpy(np.stack([one.observation[key] for one in samples])).to(device)
        for key in samples[0].observation
    }
    lists = collated([one.listing for one in samples]).to(device)
    first = np.cumsum([0, *(len(one.listing.kept) for one in samples[:-1])])
    answers = torch.from_numpy(first + np.array([one.answer for one in samples])).to(device)
    return model.rank(model.encode(batch), lists), lists, answers


def ranks(scores_N: Tensor, lists: Lists, answers_B: Tensor) -> Tensor:
    """The rank of each right edit in its list, from 1 [B]; what is as good counts half."""
    right_N = scores_N[answers_B][lists.canvas_N]
    above_N = (scores_N > right_N).float() + 0.5 * (scores_N == right_N).float()
    sums = above_N.new_zeros(len(answers_B)).index_add(0, lists.canvas_N, above_N)
    return sums + 0.5  # itself was counted half


@torch.no_grad()
def rank_rates(model: EditModel, samples: Sequence[RankSample], device: str) -> dict[str, float]:
    """`top_1`, `top_10`, `top_100`, `mrr` (mean of 1 / rank) and `nll` over samples."""
    places, nll, parts = [], [], [samples[at : at + 16] for at in range(0, len(samples), 16)]
    for part in parts:
        ranking, lists, answers = ranked(model, part, device)
        places.append(ranks(ranking.total, lists, answers).cpu())
        nll.append(-ranking.total[answers].cpu())
    place = torch.cat(places)
    found = {f"top_{k}": float((place <= k).float().mean()) for k in KS}
    return found | {"mrr": float((1 / place).mean()), "nll": float(torch.cat(nll).mean())}
