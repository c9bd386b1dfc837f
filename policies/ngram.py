"""A baseline without a network: every small edit, ranked by how much likelier it makes the code.

An edit replaces up to two lexemes by at most one, taken from the canvas or from the most frequent
of the corpus. Likelihood is that of `LexemeModel` mixed with the code's own frequencies: names
repeat within a function (Tu, Su and Devanbu 2014, "On the localness of software").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hrmgym.envs.interfaces import canvas
from hrmgym.envs.interfaces.edit import REPLACEMENT, tool_action
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ConfigError
from hrmgym.policies.base import Action, Observation, PolicyState, Proposal, Proposals, Spaces
from hrmgym.policies.baselines import edits_only
from hrmgym.policies.config import NgramConfig
from hrmgym.policies.lexeme_model import HOW_TO_FIT, ORDER, LexemeModel, windows_of

_LONGEST = 2  # lexemes that one edit replaces
_COMMON = 64  # lexemes of the corpus that it may write
_LOCAL = 0.3  # share of the code's own frequencies


@dataclass(frozen=True, slots=True)
class _Lexeme:
    text: str
    start: int
    end: int


def make_ngram_policy(config: NgramConfig, spaces: Spaces) -> NgramPolicy:
    """A policy with the model of a fitted file.

    Raises:
        ConfigError: the spaces are not those of the `edit` interface, or no file is named.
        DataError: the file is missing, or is none.
    """
    if config.file is None:
        raise ConfigError(f"policy.file: the n-gram policy needs a fitted file; {HOW_TO_FIT}")
    return NgramPolicy(spaces, LexemeModel.load(config.file))


class NgramPolicy:
    """Ranks all small edits of the canvas by what they add to the code's log-likelihood.

    So that deleting does not pay by itself, every lexeme counts by how much likelier it is than the
    code's lexemes are on average.
    """

    def __init__(self, spaces: Spaces, model: LexemeModel) -> None:
        edits_only(spaces, "n-gram")
        self._model = model

    def act(
        self, observation: Observation, *, state: PolicyState = None, deterministic: bool = False
    ) -> tuple[Action, PolicyState]:
        """The best edit that was not tried before at this canvas."""
        tried: dict[bytes, int] = {} if state is None else state
        key = observation["tokens"].tobytes()
        tried[key] = tried.get(key, 0) + 1
        found = self.propose(observation, tried[key]).actions
        return (found[-1].action if found else tool_action("submit")), tried

    def propose(self, observation: Observation, k: int) -> Proposals:
        """The k best edits; in place of log-probabilities, what they add to the likelihood."""
        code = _lexemes(observation["tokens"], observation["roles"])
        if not code:
            return Proposals([], 0.0)
        written = self._writable(observation)
        gains, starts, lengths, choices = self._gains(code, [one.text for one in written])
        order = np.argsort(-gains, kind="stable")[: min(k, int(np.isfinite(gains).sum()))]
        actions = []
        for at in order.tolist():
            first, last = int(starts[at]), int(starts[at] + lengths[at])
            entry = written[int(choices[at])] if choices[at] >= 0 else None
            actions.append(Proposal(_action(code, first, last, entry), float(gains[at])))
        return Proposals(actions, 0.0)

    def propose_batch(self, observations: Sequence[Observation], k: int) -> list[Proposals]:
        """What `propose` says of each in turn."""
        return [self.propose(one, k) for one in observations]

    def _writable(self, observation: Observation) -> list[_Lexeme]:
        """What an edit may write: lexemes of the canvas, then the corpus's (start is -1)."""
        here = _lexemes(observation["tokens"], observation["roles"], editable=False)
        found = {one.text: one for one in reversed(here)}
        for text in self._model.common[:_COMMON]:
            found.setdefault(text, _Lexeme(text, -1, -1))
        return list(found.values())

    def _gains(
        self, code: Sequence[_Lexeme], written: Sequence[str]
    ) -> tuple[npt.NDArray[Any], ...]:
        """Gain, first lexeme, number of lexemes replaced, and what is written (-1: nothing)."""
        texts = [one.text for one in code]
        ids, new = self._model.ids(texts), self._model.ids(written)
        local = Counter(texts)
        share = np.array([local[text] for text in texts]) / len(texts)
        new_share = np.array([local[text] for text in written]) / len(texts)
        old = _mixed(self._model.log_probs(windows_of(ids)), share)
        mean = float(old.mean())
        total = np.concatenate(((0.0,), np.cumsum(old - mean)))
        tail = ORDER - 1
        before = np.concatenate((np.zeros(tail, dtype=np.uint64), ids))
        parts = []
        for length in range(_LONGEST + 1):
            for first in range(len(code) - length + 1):
                stop = first + length
                # The next lexemes see what is written; those behind them do not.
                last = min(len(code), stop + tail)
                gone = total[last] - total[first]
                after, after_share = ids[stop:last], share[stop:last]
                parts.append(
                    (first, length, gone, before[first : first + tail], after, after_share)
                )
        windows, shares, owner = [], [], []
        rows: list[tuple[float, int, int, int]] = []
        for first, length, gone, left, after, after_share in parts:
            if length:  # writing nothing is deleting
                text = np.concatenate((left, after))
                windows.append(
                    np.lib.stride_tricks.sliding_window_view(text, ORDER)[: len(after)]
                    if len(after)
                    else np.zeros((0, ORDER), dtype=np.uint64)
                )
                shares.append(after_share)
                owner.append(np.full(len(after), len(rows)))
                rows.append((-gone, first, length, -1))
            text = np.empty((len(new), tail + 1 + len(after)), dtype=np.uint64)
            text[:, :tail], text[:, tail], text[:, tail + 1 :] = left, new, after
            made = np.lib.stride_tricks.sliding_window_view(text, ORDER, axis=1)
            windows.append(made.reshape(-1, ORDER))
            both = np.empty((len(new), 1 + len(after)))
            both[:, 0], both[:, 1:] = new_share, after_share
            shares.append(both.ravel())
            numbers = np.arange(len(rows), len(rows) + len(new))
            owner.append(np.repeat(numbers, 1 + len(after)))
            rows += [(-gone, first, length, choice) for choice in range(len(new))]
        scores = _mixed(self._model.log_probs(np.concatenate(windows)), np.concatenate(shares))
        base, firsts, lengths, choices = (np.array(column) for column in zip(*rows, strict=True))
        gains = base + np.bincount(
            np.concatenate(owner), weights=scores - mean, minlength=len(rows)
        )
        # Writing what stands there changes nothing.
        same = (lengths == 1) & (choices >= 0)
        at = np.minimum(firsts, len(texts) - 1)
        equal = np.array(texts)[at] == np.array([*written, ""])[choices]
        gains[same & equal] = -np.inf
        return gains, firsts, lengths, choices


def _mixed(
    log_probs: npt.NDArray[np.float64], share: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.log((1 - _LOCAL) * np.exp(log_probs) + _LOCAL * share)


def _lexemes(
    tokens: npt.NDArray[np.int32], roles: npt.NDArray[np.int32], *, editable: bool = True
) -> list[_Lexeme]:
    """The canvas's lexemes in order: those that may be edited, or all."""
    names = load_tokens()
    kinds = roles.tolist()
    wanted = canvas.lexeme_start(roles) & (canvas.editable(roles) if editable else True)
    found = []
    for start in np.flatnonzero(wanted).tolist():
        end = canvas.lexeme_end(kinds, start)
        data = b"".join(names.token_bytes(token) for token in tokens[start:end].tolist())
        found.append(_Lexeme(data.decode("utf-8", "replace"), start, end))
    return found


def _action(code: Sequence[_Lexeme], first: int, last: int, written: _Lexeme | None) -> Action:
    """The edit that replaces lexemes first:last by one, or by nothing."""
    action = tool_action("edit")
    start = code[first].start if first < len(code) else code[-1].end
    end = code[last - 1].end if last > first else start
    action[1:3] = start, end
    entries: list[int] = []
    if written is not None:
        names = load_tokens()
        ids = names.encode_lexeme(written.text)
        copied = written.start >= 0 and len(ids) > 1
        entries = [names.size + written.start] if copied else list(ids)
    action[3 : 3 + len(entries)] = entries
    if len(entries) < REPLACEMENT:
        action[3 + len(entries)] = Tokens.END
    return action
