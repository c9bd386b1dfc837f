"""What is read off the last high-level state: a span of the canvas and its replacement.

B batch, S canvas positions, J nodes per row (prefixes of an action), D hidden, V vocabulary,
W = max_span + 1 possible ends.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.layers import CastedLinear

#: Deviation of the first logits: the untrained policy is nearly uniform over what is legal.
FLAT = 0.1


def at(state_BSD: Tensor, position_BJ: Tensor) -> Tensor:
    """The states at given positions: [B, J, D]."""
    index = position_BJ.unsqueeze(-1).expand(-1, -1, state_BSD.shape[-1])
    return state_BSD.gather(1, index)


class SpanHead(nn.Module):
    """Scores of a start, and of an end given the start.

    An end's score is the start's own wish for a length plus a pointer from start to end (pointer
    networks, Vinyals et al. 2015, arXiv 1506.03134).
    """

    def __init__(self, width: int, max_span: int) -> None:
        super().__init__()
        self.max_span = max_span
        self.start = CastedLinear(width, 1, gain=FLAT)
        self.length = CastedLinear(width, max_span + 1, bias=True, gain=FLAT)
        self.end_query = CastedLinear(width, width, gain=FLAT)
        self.end_key = CastedLinear(width, width)

    def start_scores(self, z_BSD: Tensor) -> Tensor:
        """[B, S]."""
        out: Tensor = self.start(z_BSD).squeeze(-1)
        return out

    def end_scores(self, z_BSD: Tensor, start_BJ: Tensor) -> Tensor:
        """Scores of the ends start, start + 1, .., start + max_span: [B, J, W].

        Ends past the canvas get the score of its last position; the caller masks them.
        """
        batch, length, width = z_BSD.shape
        z_BJD = at(z_BSD, start_BJ)
        query_BJD = self.end_query(z_BJD) / math.sqrt(width)
        offset_W = torch.arange(self.max_span + 1, device=z_BSD.device)
        end_BJW = (start_BJ.unsqueeze(-1) + offset_W).clamp(max=length - 1)
        near = at(z_BSD, end_BJW.flatten(1)).view(batch, *end_BJW.shape[1:], width)
        pointer_BJW = (self.end_key(near) * query_BJD.unsqueeze(2)).sum(-1)
        out: Tensor = self.length(z_BJD) + pointer_BJW
        return out

    def every_end_scores(self, z_BSD: Tensor) -> Tensor:
        """`end_scores` of every position as a start, S^2 D products: [B, S, W].

        Ends past the canvas get no pointer; the caller masks them.
        """
        batch, length, width = z_BSD.shape
        query_BSD = self.end_query(z_BSD) / math.sqrt(width)
        key_BMD = F.pad(self.end_key(z_BSD), (0, 0, 0, self.max_span))
        pointer_BSM = query_BSD @ key_BMD.transpose(1, 2)
        row = pointer_BSM.shape[2]
        shape = (batch, length, self.max_span + 1)
        # Row s of the band begins at column s.
        band_BSW = pointer_BSM.as_strided(shape, (length * row, row + 1, 1))
        out: Tensor = self.length(z_BSD) + band_BSW
        return out


class ReplacementHead(nn.Module):
    """A recurrent cell that writes the replacement, entry by entry.

    Its state starts from the states at the span's borders and the mean of the span; each entry it
    sees the previous entry and the canvas token that stands where the entry would go. A score is
    given to each vocabulary token (tied with the token embedding) and, by a pointer, to each canvas
    position to copy from (pointer-generator, See et al. 2017, arXiv 1704.04368).
    """

    def __init__(self, width: int, vocab_size: int, max_span: int) -> None:
        super().__init__()
        self.width = width
        self.vocab_size = vocab_size
        self.max_span = max_span
        self.context = CastedLinear(4 * width, width, bias=True)
        self.cell = nn.GRUCell(2 * width, width)
        self.write = CastedLinear(width, width, gain=FLAT)
        self.vocab_bias = nn.Parameter(torch.zeros(vocab_size))
        self.copy_query = CastedLinear(width, width, gain=FLAT)
        self.copy_key = CastedLinear(width, width)
        self.copy_bias = nn.Parameter(torch.zeros(()))

    def begin(self, z_BSD: Tensor, start_BJ: Tensor, end_BJ: Tensor) -> Tensor:
        """State of the cell before the first entry: [B, J, D]."""
        batch, length, width = z_BSD.shape
        offset_W = torch.arange(self.max_span, device=z_BSD.device)
        inside_BJW = start_BJ.unsqueeze(-1) + offset_W
        within = (inside_BJW < end_BJ.unsqueeze(-1)).unsqueeze(-1)
        tokens = at(z_BSD, inside_BJW.clamp(max=length - 1).flatten(1))
        tokens = tokens.view(batch, *inside_BJW.shape[1:], width)
        mean_BJD = (tokens * within).sum(2) / within.sum(2).clamp(min=1)
        left_BJD = at(z_BSD, (start_BJ - 1).clamp(min=0))
        context = (left_BJD, at(z_BSD, start_BJ), at(z_BSD, end_BJ), mean_BJD)
        return torch.tanh(self.context(torch.cat(context, dim=-1)))

    def inputs(
        self, z_BSD: Tensor, embedding: CanvasEmbedding, previous_BJ: Tensor, position_BJ: Tensor
    ) -> Tensor:
        """What the cell reads before it writes an entry: [B, J, 2 D].

        Args:
            z_BSD: states of the canvas.
            embedding: of the tokens.
            previous_BJ: the entry written before; its vector is the token's embedding, or the state
                at the position that was copied from.
            position_BJ: the canvas position that stands where the entry would go.
        """
        copied = at(z_BSD, (previous_BJ - self.vocab_size).clamp(min=0))
        written = embedding.of_tokens(previous_BJ.clamp(max=self.vocab_size - 1))
        previous = torch.where((previous_BJ < self.vocab_size).unsqueeze(-1), written, copied)
        return torch.cat((previous, at(z_BSD, position_BJ)), dim=-1)

    def advance(self, hidden_BJD: Tensor, input_BJE: Tensor) -> Tensor:
        """Next state of the cell: [B, J, D]."""
        out: Tensor = self.cell(input_BJE.flatten(0, 1), hidden_BJD.flatten(0, 1))
        return out.view(hidden_BJD.shape)

    def vocab_scores(self, hidden: Tensor, embedding: CanvasEmbedding) -> Tensor:
        """Scores of the vocabulary for states of any shape [..., D]: [..., V]."""
        weight_VD = embedding.tokens.embedding_weight
        return F.linear(self.write(hidden), weight_VD, self.vocab_bias)

    def copy_scores(self, hidden_BJD: Tensor, key_BSD: Tensor) -> Tensor:
        """Scores of copying from each position, given `copy_key` of the canvas: [B, J, S]."""
        query_BJD = self.copy_query(hidden_BJD) / math.sqrt(self.width)
        out: Tensor = query_BJD @ key_BSD.transpose(1, 2) + self.copy_bias
        return out
