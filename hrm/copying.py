"""Which canvas positions an edit can copy from, and what each copy is called.

B batch, L canvas positions, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Vocabulary ids that never are code. END also ends a replacement.
PAD, END, CLS, SEP = 0, 1, 2, 3

_TOKEN = 0x2545F4914F6CDD1D  # odd constants: invertible modulo 2^64
_BASE = 0x5851F42D4C957F2D


def copy_targets(tokens_BL: Tensor, lexeme_start_BL: Tensor, vocab_size: int) -> Tensor:
    """The replacement entry that stands for a copy of the lexeme starting at each position.

    A lexeme runs up to the next start or special token. One of a single token is that token's
    vocabulary id; a longer one is V + the first position of an equal lexeme, so that every effect
    has one name. Lexemes count as equal when their 64-bit polynomial hashes are.

    Args:
        tokens_BL: vocabulary ids.
        lexeme_start_BL: bool, first tokens of lexemes.
        vocab_size: V.

    Returns:
        int64 [B, L]; -1 where nothing may be copied: special tokens, and inside a lexeme.
    """
    tokens_BL = tokens_BL.long()
    batch, length = tokens_BL.shape
    position_BL = torch.arange(length, device=tokens_BL.device).expand(batch, -1)
    special_BL = tokens_BL <= SEP
    starts_BL = lexeme_start_BL & ~special_BL
    border_BL = torch.where(starts_BL | special_BL, position_BL, length)
    after_BL = F.pad(border_BL[:, 1:], (0, 1), value=length)
    end_BL = after_BL.flip(1).cummin(1).values.flip(1)
    long_BL = starts_BL & (end_BL - position_BL > 1)
    hash_BL = torch.where(long_BL, _hash_of_spans(tokens_BL, position_BL, end_BL), 0)

    order = hash_BL.sort(dim=1, stable=True)
    fresh_BL = F.pad(order.values[:, 1:] != order.values[:, :-1], (1, 0), value=True)
    group_BL = torch.where(fresh_BL, position_BL, 0).cummax(1).values
    first_BL = torch.empty_like(position_BL)
    first_BL = first_BL.scatter(1, order.indices, order.indices.gather(1, group_BL))
    target_BL = torch.where(long_BL, vocab_size + first_BL, tokens_BL)
    return torch.where(starts_BL, target_BL, -1)


def _hash_of_spans(tokens_BL: Tensor, start_BL: Tensor, end_BL: Tensor) -> Tensor:
    """Hash of tokens[start:end] for the span of each position, int64 [B, L].

    Differences of prefix sums of token * base^position, divided by base^start; int64 wraps, so all
    of it is arithmetic modulo 2^64.
    """
    mixed_BL = (tokens_BL + 1) * _TOKEN
    mixed_BL = (mixed_BL ^ (mixed_BL >> 29)) * _BASE
    inverse = pow(_BASE, -1, 1 << 64)
    inverse -= (inverse >> 63) << 64  # the same residue as a signed number
    power_BL = torch.full_like(start_BL, _BASE).cumprod(1)
    undo_BL = torch.full_like(start_BL, inverse).cumprod(1)
    total_BL = F.pad((mixed_BL * power_BL).cumsum(1), (1, 0))
    return (total_BL.gather(1, end_BL) - total_BL.gather(1, start_BL)) * undo_BL
