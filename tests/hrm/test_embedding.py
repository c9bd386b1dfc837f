import pytest
import torch

from hrmgym.hrm.embedding import CanvasEmbedding, PuzzleEmbedding


def table(training=True):
    torch.manual_seed(0)
    puzzle = PuzzleEmbedding(5, 3, torch.float32).train(training)
    puzzle.weights.normal_()
    return puzzle


def test_puzzle_rows_are_no_parameter():
    puzzle = table()
    assert not list(puzzle.parameters())
    assert list(puzzle.state_dict()) == ["weights"]
    assert torch.equal(puzzle(torch.tensor([4, 1])).detach(), puzzle.weights[[4, 1]])


def test_sign_descent_sums_equal_ids_before_the_sign():
    puzzle = table()
    before = puzzle.weights.clone()
    out = puzzle(torch.tensor([1, 3, 1]))
    out.backward(torch.tensor([[1.0, -1.0, 0.5], [2.0, 0.0, -2.0], [-3.0, -1.0, 0.5]]))
    puzzle.step(lr=0.1, weight_decay=0.5)
    sign = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 0.0, -1.0]])
    expected = before.clone()
    expected[[1, 3]] = before[[1, 3]] * (1 - 0.05) - 0.1 * sign
    torch.testing.assert_close(puzzle.weights, expected)
    puzzle.step(lr=0.1, weight_decay=0.5)  # nothing new was looked up
    torch.testing.assert_close(puzzle.weights, expected)


def test_only_a_taped_training_pass_is_remembered():
    puzzle = table()
    rows = puzzle(torch.tensor([1]))
    with torch.no_grad():
        puzzle(torch.tensor([2]))  # the continue pass
    assert puzzle.local_ids.tolist() == [1]
    rows.sum().backward()
    assert puzzle.local_weights.grad.tolist() == [[1.0] * 3]
    still = table(training=False)
    assert not still(torch.tensor([1])).requires_grad


def canvas(rows=4, length=200):
    torch.manual_seed(0)
    embedding = CanvasEmbedding(50, 6, 3, 8, 64)
    inputs = (
        torch.randint(0, 50, (rows, length)),
        torch.randint(0, 6, (rows, length)),
        torch.randint(0, 3, (rows, 1)),
        torch.randint(0, 20, (rows, 8)),
    )
    return embedding, inputs


def test_canvas_has_unit_mean_square():
    embedding, inputs = canvas()
    x = embedding(*inputs)
    assert x.shape == (4, 200, 64)
    assert x[:, 1:].square().mean().item() == pytest.approx(1.0, abs=0.15)
    assert x[:, 0].square().mean() < 10  # the budget is of the same order as the rest
    tokens = embedding.of_tokens(torch.arange(50))
    assert tokens.square().mean().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("index", "column", "where"),
    [(0, 7, [7]), (1, 7, [7]), (2, 0, list(range(200))), (3, 7, [0])],
    ids=["token", "role", "language", "budget"],
)
def test_what_an_input_reaches(index, column, where):
    embedding, inputs = canvas()
    changed = [value.clone() for value in inputs]
    changed[index][1, column] = (inputs[index][1, column] + 1) % 3
    moved = (embedding(*inputs) != embedding(*changed)).any(-1)
    assert moved[1].nonzero().flatten().tolist() == where
    assert not moved[[0, 2, 3]].any()


def test_budget_is_logarithmic():
    embedding, (tokens, roles, language, budget) = canvas()
    zero = embedding(tokens, roles, language, torch.zeros_like(budget))[:, 0]
    few = embedding(tokens, roles, language, torch.full_like(budget, 1))[:, 0] - zero
    many = embedding(tokens, roles, language, torch.full_like(budget, 1023))[:, 0] - zero
    torch.testing.assert_close(many, 10 * few, atol=1e-4, rtol=1e-4)
