"""Which edge a search follows: small functions of arrays, one for each rule.

An array has an entry for each edge that may be followed [edges]: `means` are mean returns between 0
and 1, an edge without visits having what its node expects (first-play urgency); `visits` are how
often each was followed, pending simulations among them. Returned is the number of the edge; of
equal ones the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

C_INIT, C_BASE = 1.25, 19652.0
"""Of PUCT's exploration, as AlphaZero has them (Silver et al., 2018)."""
C_VISIT, C_SCALE = 50.0, 0.1
"""Of Gumbel's transformation of values between 0 and 1, as the authors' mctx has them."""


def ucb1(means: Sequence[float], visits: Sequence[float], c: float = math.sqrt(2)) -> int:
    """UCB1 (Auer et al., 2002): the mean and `c` times sqrt(ln N / n); edges without visits first.

    Args:
        means: Mean returns [edges].
        visits: n of each [edges]; N is their sum.
        c: Weight of exploration.
    """
    total = math.log(max(1, sum(visits)))
    scores = [
        mean + c * math.sqrt(total / n) if n else math.inf
        for mean, n in zip(means, visits, strict=True)
    ]
    return scores.index(max(scores))


def swe_search(
    means: Sequence[float],
    visits: Sequence[float],
    parent_visits: Sequence[float],
    depths: Sequence[int],
    c: float = 1.41,
    alpha: float = 0.5,
    beta: float = 0.8,
    gamma: float = 0.08,
) -> int:
    """SWE-Search's rule (Antoniades et al., 2024, section 3): which node of a tree to go on from.

    V + c sqrt(ln N / n) + alpha exp(-beta (d - 1)) - gamma sqrt(d). The paper's values are within
    100 of 0, so its weights of depth are divided by 100 and more here, and 1 is added to n, so
    that nodes without visits can be compared.

    Args:
        means: V of each node [nodes].
        visits: n of each [nodes].
        parent_visits: N of the node above each [nodes].
        depths: d of the state that comes next, 1 below the root [nodes].
        c: Weight of exploration.
        alpha: Weight of being near the root.
        beta: How soon that is lost.
        gamma: Weight of being deep.
    """
    scores = [
        mean
        + c * math.sqrt(math.log(max(1, total)) / (1 + n))
        + alpha * math.exp(-beta * (depth - 1))
        - gamma * math.sqrt(depth)
        for mean, n, total, depth in zip(means, visits, parent_visits, depths, strict=True)
    ]
    return scores.index(max(scores))


def puct(
    means: Sequence[float],
    visits: Sequence[float],
    priors: Sequence[float],
    total: int,
    c_init: float = C_INIT,
    c_base: float = C_BASE,
) -> int:
    """PUCT (AlphaZero, Silver et al., 2018): Q + c(N) P sqrt(N) / (1 + n).

    Args:
        means: Q of each [edges].
        visits: n of each [edges].
        priors: P of each [edges].
        total: N, visits of the node.
        c_init: Weight of exploration.
        c_base: How slowly it grows.
    """
    scale = (c_init + math.log((total + c_base + 1) / c_base)) * math.sqrt(max(1, total))
    # This is most of a search's time, a tenth of which a strict zip would take.
    scores = [
        mean + scale * prior / (1 + n)
        for mean, n, prior in zip(means, visits, priors, strict=False)
    ]
    return scores.index(max(scores))


def mixed_value(
    means: Sequence[float], visits: Sequence[float], priors: Sequence[float], value: float
) -> float:
    """What a node is worth by its value and its visited edges (Danihelka et al., 2022, appendix D).

    Args:
        means: Q of each [edges].
        visits: n of each [edges].
        priors: P of each [edges].
        value: The node's own value, by the network.
    """
    total, mass, weighed = sum(visits), 0.0, 0.0
    for mean, n, prior in zip(means, visits, priors, strict=True):
        if n:
            mass += prior
            weighed += prior * mean
    return (value + total * weighed / mass) / (1 + total) if mass > 0 else value


def improved_policy(
    means: Sequence[float],
    visits: Sequence[float],
    priors: Sequence[float],
    value: float,
    c_visit: float = C_VISIT,
    c_scale: float = C_SCALE,
) -> list[float]:
    """softmax(logits + sigma(completed Q)) (Danihelka et al., 2022, equation 11) [edges].

    An edge without visits has the mixed value. sigma(q) = (c_visit + max n) c_scale q.

    Args:
        means: Q of each [edges].
        visits: n of each [edges].
        priors: P of each, above 0 [edges]; what they lack to 1 is shared by edges not among them.
        value: The node's own value.
        c_visit: See sigma.
        c_scale: See sigma.

    Returns:
        Probabilities; with those of the edges that are not among these they sum to 1.
    """
    mixed = mixed_value(means, visits, priors, value)
    scale = (c_visit + max(visits, default=0)) * c_scale
    exp = math.exp
    weights = [
        prior * exp(scale * (mean - mixed)) if n else prior
        for mean, n, prior in zip(means, visits, priors, strict=True)
    ]
    rest = max(0.0, 1.0 - sum(priors))
    whole = sum(weights) + rest
    return [weight / whole for weight in weights]


def gumbel_interior(
    means: Sequence[float], visits: Sequence[float], priors: Sequence[float], value: float
) -> int:
    """The edge whose share of visits is most below the improved policy (equation 14).

    Args:
        means: Q of each [edges].
        visits: n of each [edges].
        priors: P of each [edges].
        value: The node's own value.
    """
    policy = improved_policy(means, visits, priors, value)
    whole = 1 + sum(visits)
    scores = [share - n / whole for share, n in zip(policy, visits, strict=True)]
    return scores.index(max(scores))


def halving(considered: int, simulations: int) -> list[int]:
    """Sequential halving (Karnin et al., 2013): visits after which each simulation's edge comes.

    Simulation number s follows, among the considered edges that have exactly `halving(m, n)[s]`
    visits, the one with the best score; so m edges share the first visits, then half of them.

    Args:
        considered: m, how many edges are considered at first.
        simulations: n.
    """
    if considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(considered))
    made: list[int] = []
    visited = [0] * considered
    left = considered
    while len(made) < simulations:
        for _ in range(max(1, simulations // (phases * left))):
            made.extend(visited[:left])
            for at in range(left):
                visited[at] += 1
        left = max(2, left // 2)
    return made[:simulations]
