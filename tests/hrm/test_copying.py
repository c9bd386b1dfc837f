import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrmgym.hrm.copying import copy_targets


def slow_targets(tokens, starts, vocab):
    """The same by dictionary, one row at a time."""
    seen, out = {}, []
    for p, (token, start) in enumerate(zip(tokens, starts, strict=True)):
        if not start or token < 4:
            out.append(-1)
            continue
        end = p + 1
        while end < len(tokens) and not starts[end] and tokens[end] >= 4:
            end += 1
        lexeme = tuple(tokens[p:end])
        out.append(token if len(lexeme) == 1 else vocab + seen.setdefault(lexeme, p))
    return out


def test_by_hand():
    #          0  1  2  3  4  5  6  7  8  9
    tokens = [[2, 7, 8, 9, 7, 8, 3, 7, 8, 0]]
    starts = [[1, 1, 0, 1, 1, 0, 1, 1, 1, 1]]
    found = copy_targets(torch.tensor(tokens), torch.tensor(starts).bool(), 20)
    #                        CLS  long in  one long in SEP one one PAD
    assert found.tolist() == [[-1, 21, -1, 9, 21, -1, -1, 7, 8, -1]]


def test_the_last_lexeme_ends_with_the_canvas():
    found = copy_targets(torch.tensor([[2, 5, 6, 6]]), torch.tensor([[0, 1, 0, 0]]).bool(), 9)
    assert found.tolist() == [[-1, 10, -1, -1]]


def test_rows_do_not_meet():
    tokens = torch.tensor([[2, 5, 6], [2, 4, 5]])
    starts = torch.tensor([[False, True, False], [False, True, False]])
    assert copy_targets(tokens, starts, 10).tolist() == [[-1, 11, -1], [-1, 11, -1]]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_agrees_with_a_dictionary(data):
    length = data.draw(st.integers(2, 30))
    rows = data.draw(st.integers(1, 3))
    token = st.integers(0, 6)
    tokens = [data.draw(st.lists(token, min_size=length, max_size=length)) for _ in range(rows)]
    starts = [
        data.draw(st.lists(st.booleans(), min_size=length, max_size=length)) for _ in range(rows)
    ]
    found = copy_targets(torch.tensor(tokens), torch.tensor(starts), 7).tolist()
    assert found == [slow_targets(t, s, 7) for t, s in zip(tokens, starts, strict=True)]


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_long_canvases_of_any_integer_type(dtype):
    torch.manual_seed(0)
    tokens = torch.randint(4, 8000, (2, 1500)).to(dtype)
    tokens[:, 700:1400] = tokens[:, :700]
    starts = torch.rand(2, 1500) < 0.3
    starts[:, 700:1400] = starts[:, :700]
    found = copy_targets(tokens, starts, 8192)
    assert found.dtype == torch.int64
    slow = [slow_targets(t, s, 8192) for t, s in zip(tokens.tolist(), starts.tolist(), strict=True)]
    assert found.tolist() == slow
