import math

import pytest
import torch

from hrmgym.hrm.embedding import CanvasEmbedding
from hrmgym.hrm.heads import ReplacementHead, SpanHead, at

WIDTH, SIZE, VOCAB, SPAN = 8, 7, 10, 3


@pytest.fixture
def z():
    torch.manual_seed(0)
    return torch.randn(2, SIZE, WIDTH)


def test_at(z):
    found = at(z, torch.tensor([[3, 3, 0], [6, 1, 2]]))
    assert torch.equal(found[0], z[0, [3, 3, 0]])
    assert torch.equal(found[1], z[1, [6, 1, 2]])


def test_end_scores_by_hand(z):
    head = SpanHead(WIDTH, SPAN)
    starts = torch.tensor([[2, 5], [0, 3]])
    scores = head.end_scores(z, starts)
    assert scores.shape == (2, 2, SPAN + 1)
    for row, node, offset in ((0, 0, 0), (0, 0, 3), (1, 1, 2)):
        start = int(starts[row, node])
        query = head.end_query.weight @ z[row, start]
        key = head.end_key.weight @ z[row, start + offset]
        length = head.length.weight[offset] @ z[row, start] + head.length.bias[offset]
        expected = length + query @ key / math.sqrt(WIDTH)
        assert scores[row, node, offset].item() == pytest.approx(expected.item(), abs=1e-5)


def test_every_end_score_is_that_of_its_start(z):
    head = SpanHead(WIDTH, SPAN)
    every = head.every_end_scores(z)
    starts = torch.arange(SIZE).expand(2, -1)
    on_canvas = (starts.unsqueeze(-1) + torch.arange(SPAN + 1)) < SIZE
    assert on_canvas.sum() < on_canvas.numel()
    torch.testing.assert_close(every[on_canvas], head.end_scores(z, starts)[on_canvas])


def test_context_by_hand(z):
    head = ReplacementHead(WIDTH, VOCAB, SPAN)
    found = head.begin(z, torch.tensor([[2, 4], [0, 1]]), torch.tensor([[4, 4], [1, 4]]))

    def context(row, left, start, end, inside):
        mean = z[row, inside].mean(0) if inside else torch.zeros(WIDTH)
        return torch.tanh(head.context(torch.cat((z[row, left], z[row, start], z[row, end], mean))))

    torch.testing.assert_close(found[0, 0], context(0, 1, 2, 4, [2, 3]))
    torch.testing.assert_close(found[0, 1], context(0, 3, 4, 4, []))
    torch.testing.assert_close(found[1, 0], context(1, 0, 0, 1, [0]))
    torch.testing.assert_close(found[1, 1], context(1, 0, 1, 4, [1, 2, 3]))


def test_the_cell_reads_the_previous_entry_and_the_canvas(z):
    head = ReplacementHead(WIDTH, VOCAB, SPAN)
    embedding = CanvasEmbedding(VOCAB, 2, 1, 8, WIDTH)
    previous = torch.tensor([[5, VOCAB + 3], [VOCAB, 9]])
    read = head.inputs(z, embedding, previous, torch.tensor([[1, 2], [3, 4]]))
    torch.testing.assert_close(read[0, 0, :WIDTH], embedding.of_tokens(torch.tensor(5)))
    assert torch.equal(read[0, 1, :WIDTH], z[0, 3])
    assert torch.equal(read[1, 0, :WIDTH], z[1, 0])
    assert torch.equal(read[1, 1, WIDTH:], z[1, 4])


def test_scores_by_hand(z):
    head = ReplacementHead(WIDTH, VOCAB, SPAN)
    embedding = CanvasEmbedding(VOCAB, 2, 1, 8, WIDTH)
    torch.nn.init.normal_(head.vocab_bias)
    torch.nn.init.constant_(head.copy_bias, 0.7)
    hidden = torch.randn(2, 3, WIDTH)
    vocab = head.vocab_scores(hidden, embedding)
    expected = head.write(hidden[1, 2]) @ embedding.tokens.embedding_weight[4] + head.vocab_bias[4]
    assert vocab[1, 2, 4].item() == pytest.approx(expected.item(), abs=1e-5)
    copy = head.copy_scores(hidden, head.copy_key(z))
    expected = head.copy_query(hidden[1, 2]) @ head.copy_key(z[1, 5]) / math.sqrt(WIDTH) + 0.7
    assert copy[1, 2, 5].item() == pytest.approx(expected.item(), abs=1e-5)


def test_nodes_do_not_meet(z):
    head = ReplacementHead(WIDTH, VOCAB, SPAN)
    start, end = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[2, 4], [3, 6]])
    together = head.begin(z, start, end)
    for node in (0, 1):
        alone = head.begin(z, start[:, node : node + 1], end[:, node : node + 1])
        torch.testing.assert_close(together[:, node : node + 1], alone)
