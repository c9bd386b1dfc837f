"""The k most probable whole actions, by best-first search over prefixes.

An action grows one choice at a time, and a longer prefix is never more probable than a shorter one.
So the search keeps the open prefixes in a heap; a complete action that comes out on top is the next
best one (uniform-cost search, Dijkstra 1959). Siblings enter the heap one at a time, most probable
first.

B batch rows, J prefixes expanded per row at once, D hidden, S canvas positions, W = max_span + 1
ends, N prefixes packed over rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.copying import END, SEP
from hrmgym.hrm.edit_model import Encoded

#: Prefixes of one row that are expanded together: at first, and at most, for a row's number doubles
#: each time. More than one only saves time, as long as most of them would be expanded anyway.
WIDTH, MOST = 8, 64
#: Entries of a prefix that are listed at first, and how many times as many if that is not enough.
FIRST, MORE = 32, 8
#: Log-probabilities below this are of what is not legal.
IMPOSSIBLE = -1e8


class ScoredAction(NamedTuple):
    """One complete action."""

    action: Tensor
    """int64 [3 + R], on the CPU."""
    log_prob: float
    """In nats."""


class TopK(NamedTuple):
    """The largest of many numbers, and where they are."""

    values: Tensor
    indices: Tensor


class Chain(Protocol):
    """What the search asks of a distribution over actions, such as an `EditDistribution`."""

    encoded: Encoded
    config: EditModelConfig
    editable: Tensor
    entries: int
    targets: Tensor
    tool_log_probs: Tensor
    start_log_probs: Tensor

    def mode(self) -> Tensor:
        """The greedy action of each row, int64 [B, 3 + R]."""
        ...

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities of actions [B, 3 + R]: [B]."""
        ...

    def every_end_log_probs(self) -> Tensor:
        """Log-probabilities of the ends of every start: [B, S, W]."""
        ...

    def begin(self, start_BJ: Tensor, end_BJ: Tensor) -> Tensor:
        """State of the replacement cell before its first slot: [B, J, D]."""
        ...

    def advance(
        self,
        hidden_BJD: Tensor,
        previous_BJ: Tensor,
        start_BJ: Tensor,
        end_BJ: Tensor,
        slot_BJ: Tensor,
    ) -> Tensor:
        """State of the replacement cell at slot `slot_BJ`: [B, J, D]."""
        ...

    def best_entries(
        self, hidden_BJD: Tensor, may_end_BJ: Tensor, active_BJ: Tensor, count: int
    ) -> TopK:
        """The `count` most probable next entries at active nodes: two times [N, count]."""
        ...


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
    rank: int  # == len(choices): more of the family must be listed

    @property
    def path(self) -> Path:
        """The prefix itself; the family's where more of that must be listed."""
        return (*self.family.path, *self.family.choices[self.rank : self.rank + 1])


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


class _Ends:
    """The ends of every start, most probable first; for a whole batch, when first needed."""

    def __init__(self, distribution: Chain) -> None:
        self._distribution = distribution
        self._sorted: tuple[Tensor, Tensor, list[list[int]]] | None = None

    def of(self, row: int, start: int, base: float) -> _Family:
        """The continuations of (edit, start)."""
        if self._sorted is None:
            log_probs_BSW = self._distribution.every_end_log_probs().cpu()
            ordered = log_probs_BSW.sort(dim=-1, descending=True, stable=True)
            legal_BS = (ordered.values > IMPOSSIBLE).sum(-1).tolist()
            start_S1 = torch.arange(ordered.indices.shape[1]).unsqueeze(1)
            self._sorted = ordered.values, ordered.indices + start_S1, legal_BS
        values_BSW, ends_BSW, legal_BS = self._sorted
        count = legal_BS[row][start]
        log_probs, ends = values_BSW[row, start, :count], ends_BSW[row, start, :count]
        return _Family((0, start), log_probs.tolist(), ends.tolist(), base)


class _Row:
    """The search of one batch row.

    With `effects`, actions that change nothing or do what a better one does are left out.
    """

    def __init__(
        self,
        tools: _Family,
        starts: _Family,
        ends: Callable[[int, float], _Family],
        k: int,
        budget: int,
        length: int,
        effects: _Effects | None,
    ) -> None:
        self.starts, self.ends = starts, ends
        self.k, self.budget, self.length, self.effects = k, budget, length, effects
        self.heap: list[_Item] = []
        self.found: list[tuple[float, Path]] = []
        self.serial = 0
        self.width = WIDTH
        self.greedy = False
        self.push(tools, 0)

    def push(self, family: _Family, rank: int) -> None:
        """Opens the continuation of that rank, if there is one."""
        known = len(family.choices)
        if rank < known or (rank == known and family.partial):
            cost = -family.base - family.log_probs[min(rank, known - 1)]
            heapq.heappush(self.heap, _Item(cost, self.serial, family, rank))
            self.serial += 1

    def take(self) -> list[_Item]:
        """Pops the prefixes whose entries are wanted next; records whole actions met on the way.

        Once the budget is spent, only the best open prefixes are followed, each by its most
        probable continuation.
        """
        if self.budget <= 0 and not self.greedy:
            self.greedy = True
            self.heap = heapq.nsmallest(self.k - len(self.found), self.heap)
        taken: list[_Item] = []
        held: list[_Item] = []
        while self.heap and (self.greedy or len(taken) < self.width):
            if len(self.found) + len(held) >= self.k:
                break
            item = heapq.heappop(self.heap)
            if item.rank == len(item.family.choices):
                taken.append(item)
                continue
            path = item.path
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
            elif len(path) == 1:
                self.starts.base = -item.cost
                self.push(self.starts, 0)
            elif len(path) == 2:
                self.push(self.ends(path[1], -item.cost), 0)
            else:
                taken.append(item)
        for item in held:
            heapq.heappush(self.heap, item)
        self.budget -= len(taken)
        self.width = min(2 * self.width, MOST)
        return taken if len(self.found) < self.k else []

    def add(self, log_prob: float, action: list[int]) -> None:
        """Records a whole action from elsewhere, unless the search has found it."""
        if any([*path, *[0] * (self.length - len(path))] == action for _, path in self.found):
            return
        if self.effects is None or self.effects.is_new(tuple(action)):
            self.found.append((log_prob, tuple(action)))


def best_actions(
    distribution: Chain,
    k: int,
    budget: int,
    first: int = FIRST,
    distinct: bool = False,
) -> list[list[ScoredAction]]:
    """The k most probable actions of each row, best first; fewer where fewer are legal.

    Exact as long as the entries that follow no more than `budget` prefixes of a row are needed. A
    nearly uniform distribution over millions of actions needs more: then the best prefixes that are
    open at that point are completed greedily. These actions and the distribution's mode, with their
    true log-probabilities, fill up the list; better ones may be missing. `first` entries of a
    prefix are listed at first, more when the search gets that far; it changes the speed only.

    With `distinct`, edits that change nothing are left out, and of those that leave the same tokens
    only the most probable one is listed.

    Raises:
        ValueError: when k or budget is not positive.
    """
    if k < 1 or budget < 1:
        raise ValueError(f"k={k}, budget={budget}: both must be at least 1")
    length = 3 + distribution.config.R
    tools = _families(distribution.tool_log_probs, ())
    starts = _families(distribution.start_log_probs, (0,))
    ends = _Ends(distribution)
    effects: list[_Effects | None] = [None] * len(tools)
    if distinct:
        canvases = zip(distribution.encoded.tokens, distribution.targets, strict=True)
        effects = [_Effects(*canvas, distribution.config.vocab_size) for canvas in canvases]
    rows = [
        _Row(tools[b], starts[b], partial(ends.of, b), k, budget, length, effects[b])
        for b in range(len(tools))
    ]
    while any(taken := [row.take() for row in rows]):
        _expand(distribution, rows, taken, first)
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


def _families(log_probs_BC: Tensor, path: Path) -> list[_Family]:
    """Sorted continuations of each row's one prefix, without those of probability 0."""
    ordered = log_probs_BC.sort(dim=-1, descending=True, stable=True)
    legal = (ordered.values > IMPOSSIBLE).sum(-1).tolist()
    values, choices = ordered.values.tolist(), ordered.indices.tolist()
    return [
        _Family(path, log_probs[:count], found[:count])
        for log_probs, found, count in zip(values, choices, legal, strict=True)
    ]


def _expand(distribution: Chain, rows: list[_Row], taken: list[list[_Item]], first: int) -> None:
    """Opens the entries that follow prefixes with a span, or lists more of those already open."""
    new: list[list[_Item]] = [[] for _ in rows]
    more: list[list[_Item]] = [[] for _ in rows]
    for b, items in enumerate(taken):
        for item in items:
            (more if item.rank == len(item.family.choices) else new)[b].append(item)
    if any(new):
        for items in new:
            items.sort(key=lambda item: len(item.path) > 3)  # those without an entry come first
        hidden_BJD = _advanced(distribution, new)
        for b, j, item, (log_probs, choices) in _entries(distribution, new, hidden_BJD, first):
            rest = len(choices) == first < distribution.entries
            state_D = hidden_BJD[b, j]
            rows[b].push(_Family(item.path, log_probs, choices, -item.cost, state_D, rest), 0)
    if any(more):
        hidden_BJD = _states(distribution, more)
        count = MORE * max(len(item.family.choices) for items in more for item in items)
        for b, _, item, (log_probs, choices) in _entries(distribution, more, hidden_BJD, count):
            family = item.family
            rest = len(choices) == count < distribution.entries
            listed = _Family(family.path, log_probs, choices, family.base, family.hidden, rest)
            rows[b].push(listed, item.rank)


def _advanced(distribution: Chain, items: list[list[_Item]]) -> Tensor:
    """States of the replacement cell after each prefix [B, J, D]."""
    paths = [[item.path for item in row] for row in items]
    start = _padded([[path[1] for path in row] for row in paths], distribution)
    end = _padded([[path[2] for path in row] for row in paths], distribution)
    slot = _padded([[len(path) - 3 for path in row] for row in paths], distribution)
    previous = _padded([[path[-1] for path in row] for row in paths], distribution)
    before_BJD = _states(distribution, items)
    fresh = max(sum(len(path) == 3 for path in row) for row in paths)
    if fresh:
        begun_BJD = distribution.begin(start[:, :fresh], end[:, :fresh])
        is_fresh_BJ1 = (slot[:, :fresh] == 0).unsqueeze(-1)
        before_BJD[:, :fresh] = torch.where(is_fresh_BJ1, begun_BJD, before_BJD[:, :fresh])
    return distribution.advance(before_BJD, previous, start, end, slot)


def _states(distribution: Chain, items: list[list[_Item]]) -> Tensor:
    """The states that prefixes' families were read from, where they have one [B, J, D]."""
    z_BSD = distribution.encoded.z_H
    states_BJD = z_BSD.new_zeros(len(items), max(map(len, items)), z_BSD.shape[-1])
    for b, row in enumerate(items):
        known = [(j, item.family.hidden) for j, item in enumerate(row)]
        places = [j for j, state in known if state is not None]
        if places:
            states_BJD[b, places] = torch.stack([state for _, state in known if state is not None])
    return states_BJD


def _entries(
    distribution: Chain, items: list[list[_Item]], hidden_BJD: Tensor, count: int
) -> Iterator[tuple[int, int, _Item, tuple[list[float], list[int]]]]:
    """The `count` best entries after each prefix, fewer where fewer are legal.

    Yields:
        Row, node, item, and its entries' log-probabilities and themselves, best first.
    """
    paths = [[item.path for item in row] for row in items]
    may_end = [[len(path) > 3 or path[2] > path[1] for path in row] for row in paths]
    top = distribution.best_entries(
        hidden_BJD,
        _padded(may_end, distribution).bool(),
        _padded([[True] * len(row) for row in paths], distribution).bool(),
        count,
    )
    legal_N = (top.values > IMPOSSIBLE).sum(-1).tolist()
    found = zip(top.values.tolist(), top.indices.tolist(), legal_N, strict=True)
    for b, row in enumerate(items):
        for j, item in enumerate(row):
            log_probs, choices, legal = next(found)
            yield b, j, item, (log_probs[:legal], choices[:legal])


def _padded(values: Sequence[Sequence[int]], distribution: Chain) -> Tensor:
    """Ragged rows as int64 [B, J], filled up with 0."""
    width = max(map(len, values))
    filled = [[*row, *[0] * (width - len(row))] for row in values]
    return torch.tensor(filled, dtype=torch.int64, device=distribution.editable.device)
