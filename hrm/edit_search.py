"""The k most probable whole actions, by best-first search over prefixes.

An action grows one choice at a time, and a longer prefix is never more probable than a shorter one.
So the search keeps the open prefixes in a heap; a complete action that comes out on top is the next
best one (uniform-cost search, Dijkstra 1959). Siblings enter the heap one at a time, most probable
first.

B batch rows, J prefixes expanded per row at once, D hidden.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hrmgym.hrm.copying import END, SEP

if TYPE_CHECKING:
    from hrmgym.hrm.edit_distribution import EditDistribution

#: Prefixes of one row that are expanded together; more than one only saves time.
WIDTH = 8
#: Entries of a prefix that are sorted at first.
FIRST = 128
#: Log-probabilities below this are of what is not legal.
IMPOSSIBLE = -1e8


class ScoredAction(NamedTuple):
    """One complete action."""

    action: Tensor
    """int64 [3 + R], on the CPU."""
    log_prob: float
    """In nats."""


Path = tuple[int, ...]


@dataclass(slots=True)
class _Family:
    """The continuations of one prefix, most probable first."""

    path: Path
    log_probs: list[float]
    """Of each continuation, given the prefix."""
    choices: list[int]
    base: float = 0.0
    """Log-probability of the prefix."""
    hidden: Tensor | None = None
    """State of the replacement cell that they were read from [D]."""
    partial: bool = False
    """Only the first ones are listed."""


class _Item(NamedTuple):
    cost: float
    serial: int  # breaks ties, so that a row's result does not depend on the rest of its batch
    family: _Family
    rank: int  # == len(choices): the family must be sorted further


class _Effects:
    """What actions on one canvas do to its tokens, and which of it has been done before.

    Args:
        tokens_S: the canvas.
        targets_S: what a copy of each position is called, see `copy_targets`.
        vocab_size: V.
    """

    def __init__(self, tokens_S: Tensor, targets_S: Tensor, vocab_size: int) -> None:
        self.tokens: list[int] = tokens_S.tolist()
        self.targets: list[int] = targets_S.tolist()
        self.vocab_size = vocab_size
        self.seen: set[Path] = {tuple(self.tokens)}

    def is_new(self, path: Path) -> bool:
        """Whether a whole action changes something, and no earlier one changed the same."""
        effect = path  # of another tool
        if path[0] == 0:
            start, end = path[1:3]
            effect = (*self.tokens[:start], *self._written(path[3:]), *self.tokens[end:])
        if effect in self.seen:
            return False
        self.seen.add(effect)
        return True

    def _written(self, entries: Path) -> list[int]:
        """The tokens that entries stand for, copies written out."""
        new: list[int] = []
        for entry in entries:
            if entry == END:
                break
            at = entry - self.vocab_size
            new.append(entry if at < 0 else self.tokens[at])
            if at >= 0:
                stop = at + 1
                while stop < len(self.tokens) and self._continues(stop):
                    stop += 1
                new += self.tokens[at + 1 : stop]
        return new

    def _continues(self, position: int) -> bool:
        return self.targets[position] < 0 and self.tokens[position] > SEP


class _Row:
    """The search of one batch row.

    With `effects`, actions that change nothing or do what a better one does are left out.
    """

    def __init__(
        self, root: _Family, k: int, budget: int, length: int, effects: _Effects | None
    ) -> None:
        self.k, self.budget, self.length, self.effects = k, budget, length, effects
        self.heap: list[_Item] = []
        self.found: list[tuple[float, Path]] = []
        self.serial = 0
        self.greedy = False
        self.push(root, 0)

    def push(self, family: _Family, rank: int) -> None:
        """Opens the continuation of that rank, if there is one."""
        known = len(family.choices)
        if rank < known or (rank == known and family.partial):
            cost = -family.base - family.log_probs[min(rank, known - 1)]
            heapq.heappush(self.heap, _Item(cost, self.serial, family, rank))
            self.serial += 1

    def take(self) -> list[_Item]:
        """Pops what is to be expanded next; records complete actions met on the way.

        Once the budget is spent, only the best open prefixes are followed, each by its most
        probable continuation.
        """
        if self.budget <= 0 and not self.greedy:
            self.greedy = True
            self.heap = heapq.nsmallest(self.k - len(self.found), self.heap)
        taken: list[_Item] = []
        held: list[_Item] = []
        while self.heap and len(self.found) < self.k and (self.greedy or len(taken) < WIDTH):
            item = heapq.heappop(self.heap)
            if item.rank == len(item.family.choices):
                taken.append(item)
                continue
            path = (*item.family.path, item.family.choices[item.rank])
            whole = path[0] != 0 or (
                len(path) > 3 and (path[-1] == END or len(path) == self.length)
            )
            if whole and taken and not self.greedy:
                held.append(item)  # something still open may yet be better
                continue
            if not self.greedy:
                self.push(item.family, item.rank + 1)
            if whole:
                if self.effects is None or self.effects.is_new(path):
                    self.found.append((-item.cost, path))
            else:
                taken.append(item)
        for item in held:
            heapq.heappush(self.heap, item)
        self.budget -= len(taken)
        return taken if len(self.found) < self.k else []

    def add(self, log_prob: float, action: list[int]) -> None:
        """Records a whole action from elsewhere, unless the search has found it."""
        if any([*path, *[0] * (self.length - len(path))] == action for _, path in self.found):
            return
        if self.effects is None or self.effects.is_new(tuple(action)):
            self.found.append((log_prob, tuple(action)))


def best_actions(
    distribution: EditDistribution,
    k: int,
    budget: int,
    first: int = FIRST,
    distinct: bool = False,
) -> list[list[ScoredAction]]:
    """The k most probable actions of each row, best first; fewer where fewer are legal.

    Exact as long as no more than `budget` prefixes of a row must be expanded. A nearly uniform
    distribution over millions of actions needs more: then the best prefixes that are open at that
    point are completed greedily. These actions and the distribution's mode, with their true
    log-probabilities, fill up the list; better ones may be missing. `first` entries of a prefix
    are sorted at first, the rest when the search gets that far; it changes the speed only.

    With `distinct`, edits that change nothing are left out, and of those that leave the same tokens
    only the most probable one is listed.

    Raises:
        ValueError: when k or budget is not positive.
    """
    if k < 1 or budget < 1:
        raise ValueError(f"k={k}, budget={budget}: both must be at least 1")
    length = 3 + distribution.config.R
    tools = _families(distribution.tool_log_probs, [()] * len(distribution.tool_log_probs))
    effects: list[_Effects | None] = [None] * len(tools)
    if distinct:
        canvases = zip(distribution.encoded.tokens, distribution.targets, strict=True)
        effects = [_Effects(*canvas, distribution.config.vocab_size) for canvas in canvases]
    rows = [
        _Row(family, k, budget, length, own) for family, own in zip(tools, effects, strict=True)
    ]
    starts = _families(distribution.start_log_probs, [(0,)] * len(rows))
    while any(taken := [row.take() for row in rows]):
        spans: list[list[_Item]] = [[] for _ in rows]
        slots: list[list[_Item]] = [[] for _ in rows]
        for b, items in enumerate(taken):
            for item in items:
                depth = len(item.family.path)
                if depth == 0:
                    starts[b].base = -item.cost
                    rows[b].push(starts[b], 0)
                else:
                    (spans if depth == 1 else slots)[b].append(item)
        if any(spans):
            _expand_starts(distribution, rows, spans)
        if any(slots):
            _expand_entries(distribution, rows, slots, first)
    if any(row.greedy or not row.found for row in rows):
        mode = distribution.mode()
        scores = distribution.log_prob(mode).tolist()
        for row, action, score in zip(rows, mode.tolist(), scores, strict=True):
            if row.greedy:
                row.add(score, action)
            if not row.found:  # every action met changes nothing: better that than none
                row.found.append((score, tuple(action)))
    results = []
    for row in rows:
        row.found.sort(key=lambda pair: -pair[0])
        results.append(
            [
                ScoredAction(torch.tensor(path + (0,) * (length - len(path))), log_prob)
                for log_prob, path in row.found[:k]
            ]
        )
    return results


def _families(log_probs_BC: Tensor, paths: list[Path]) -> list[_Family]:
    """Sorted continuations of one prefix per row, without those of probability 0."""
    ordered = log_probs_BC.sort(dim=-1, descending=True, stable=True)
    legal = (ordered.values > IMPOSSIBLE).sum(-1).tolist()
    values, choices = ordered.values.tolist(), ordered.indices.tolist()
    return [
        _Family(path, values[i][: legal[i]], choices[i][: legal[i]]) for i, path in enumerate(paths)
    ]


def _expand_starts(
    distribution: EditDistribution, rows: list[_Row], items: list[list[_Item]]
) -> None:
    """Opens the ends of the prefixes (edit, start)."""
    starts = [[item.family.choices[item.rank] for item in row] for row in items]
    log_probs_BJW = distribution.end_log_probs(_padded(starts, distribution))
    for b, row_items in enumerate(items):
        paths = [
            (*item.family.path, start) for item, start in zip(row_items, starts[b], strict=True)
        ]
        for item, family in zip(row_items, _families(log_probs_BJW[b], paths), strict=False):
            family.base = -item.cost
            family.choices = [family.path[1] + offset for offset in family.choices]
            rows[b].push(family, 0)


def _expand_entries(
    distribution: EditDistribution, rows: list[_Row], items: list[list[_Item]], first: int
) -> None:
    """Opens the entries that follow prefixes with a span, or lists more of those already open."""
    # Families to be sorted further have no choice at their rank: their own path is the prefix.
    paths = [
        [(*item.family.path, *item.family.choices[item.rank : item.rank + 1]) for item in row]
        for row in items
    ]
    start = _padded([[path[1] for path in row] for row in paths], distribution)
    end = _padded([[path[2] for path in row] for row in paths], distribution)
    slot = _padded([[len(path) - 3 for path in row] for row in paths], distribution)
    previous = _padded([[path[-1] for path in row] for row in paths], distribution)
    hidden = distribution.begin(start, end)
    for b, row_items in enumerate(items):
        for j, item in enumerate(row_items):
            if item.family.hidden is not None:
                hidden[b, j] = item.family.hidden
    advanced = distribution.advance(hidden, previous, start, end, slot)
    for b, row_items in enumerate(items):
        for j, item in enumerate(row_items):
            if item.rank == len(item.family.choices):
                advanced[b, j] = hidden[b, j]
    log_probs = distribution.entry_log_probs(advanced, (end > start) | (slot > 0))
    top = log_probs.topk(min(first, log_probs.shape[-1]))
    legal = (top.values > IMPOSSIBLE).sum(-1).tolist()
    values, choices = top.values.tolist(), top.indices.tolist()
    for b, row_items in enumerate(items):
        for j, item in enumerate(row_items):
            if item.rank == len(item.family.choices):
                (family,) = _families(log_probs[b, j : j + 1], [item.family.path])
                family.base, family.hidden = item.family.base, item.family.hidden
                rows[b].push(family, item.rank)
                continue
            count = legal[b][j]
            family = _Family(
                paths[b][j],
                values[b][j][:count],
                choices[b][j][:count],
                base=-item.cost,
                hidden=advanced[b, j],
                partial=count == first < log_probs.shape[-1],
            )
            rows[b].push(family, 0)


def _padded(values: list[list[int]], distribution: EditDistribution) -> Tensor:
    """Ragged rows as int64 [B, J], filled up with 0."""
    width = max(len(row) for row in values)
    filled = [row + [0] * (width - len(row)) for row in values]
    return torch.tensor(filled, device=distribution.editable.device)
