import math

import pytest
import torch
from torch import nn

from hrmgym.errors import ConfigError
from hrmgym.hrm.optim import EMA, AdamATan2


def test_two_steps_by_hand():
    p = nn.Parameter(torch.tensor([2.0, -1.0]))
    optimizer = AdamATan2([p], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    value, mean, square = [2.0, -1.0], [0.0, 0.0], [0.0, 0.0]
    for t, gradient in enumerate(([0.5, -3.0], [-0.25, 1.0]), start=1):
        p.grad = torch.tensor(gradient)
        optimizer.step()
        for i, g in enumerate(gradient):
            mean[i] = 0.9 * mean[i] + 0.1 * g
            square[i] = 0.95 * square[i] + 0.05 * g * g
            root = math.sqrt(square[i]) / math.sqrt(1 - 0.95**t)
            value[i] *= 1 - 0.01 * 0.1
            value[i] -= 0.01 / (1 - 0.9**t) * math.atan2(mean[i], root)
        assert p.tolist() == pytest.approx(value, abs=1e-7)


def test_first_step_does_not_depend_on_the_gradients_size():
    steps = []
    for scale in (1e-12, 1.0, 1e12):
        p = nn.Parameter(torch.zeros(1))
        p.grad = torch.full((1,), scale)
        AdamATan2([p], lr=0.01, weight_decay=0.0).step()
        steps.append(p.item())
    assert steps[0] == pytest.approx(-0.01 * 10 * math.atan(0.1), rel=1e-5)
    assert steps == pytest.approx([steps[0]] * 3, rel=1e-5)


def test_a_learning_rate_of_zero_and_a_zero_gradient_change_nothing():
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.tensor([0.0, 1.0])
    AdamATan2([p], lr=0.0).step()
    assert p.tolist() == [1.0, 1.0]
    AdamATan2([p], lr=0.1, weight_decay=0.0).step()
    assert p[0].item() == 1.0
    assert p[1].item() < 1.0


@pytest.mark.parametrize("shape", [(3, 1 << 18), ((1 << 18) + 7,)])
def test_a_large_parameter_is_updated_like_its_small_parts(shape):
    torch.manual_seed(0)
    start, gradient = torch.randn(shape), torch.randn(shape)
    whole = nn.Parameter(start.clone())
    whole.grad = gradient
    rows = [nn.Parameter(part.clone()) for part in start.flatten().split(1000)]
    for row, part in zip(rows, gradient.flatten().split(1000), strict=True):
        row.grad = part
    for parameters in ([whole], rows):
        optimizer = AdamATan2(parameters, lr=0.01)
        optimizer.step()
        optimizer.step()
    found = torch.cat([row.detach() for row in rows])
    torch.testing.assert_close(whole.detach().flatten(), found, rtol=1e-6, atol=1e-7)


def test_parameters_without_a_gradient_are_left_alone():
    p = nn.Parameter(torch.ones(1))
    AdamATan2([p], lr=0.1, weight_decay=1.0).step()
    assert p.item() == 1.0


def test_closure_and_resuming():
    torch.manual_seed(0)
    target = torch.randn(4)

    def run(steps, p, optimizer):
        for _ in range(steps):

            def closure():
                optimizer.zero_grad()
                loss = (p - target).square().sum()
                loss.backward()
                return loss.item()

            assert optimizer.step(closure) >= 0
        return p

    whole = nn.Parameter(torch.zeros(4))
    run(6, whole, AdamATan2([whole], lr=0.05))
    part = nn.Parameter(torch.zeros(4))
    first = AdamATan2([part], lr=0.05)
    run(3, part, first)
    second = AdamATan2([part], lr=0.05)
    second.load_state_dict(first.state_dict())
    run(3, part, second)
    assert torch.equal(whole, part)
    assert (whole - target).norm() < target.norm()


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"betas": (1.0, 0.9)}, {"weight_decay": -0.1}])
def test_bad_settings(bad):
    with pytest.raises(ConfigError, match="AdamATan2"):
        AdamATan2([nn.Parameter(torch.ones(1))], **bad)


def test_ema_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    ema = EMA(model, decay=0.9)
    nn.init.constant_(model.weight, 2.0)
    ema.update()
    ema.update()
    assert ema.average["weight"].item() == pytest.approx(1.0 * 0.81 + 2.0 * 0.19)
    with ema.applied():
        assert model.weight.item() == pytest.approx(1.19)
    assert model.weight.item() == 2.0
    other = EMA(model, decay=0.9)
    other.load_state_dict(ema.state_dict())
    assert other.average["weight"].item() == pytest.approx(1.19)


def test_ema_gives_the_weights_back_after_an_error():
    model = nn.Linear(1, 1, bias=False)
    ema = EMA(model, decay=0.0)
    nn.init.constant_(model.weight, 5.0)
    with pytest.raises(RuntimeError), ema.applied():
        raise RuntimeError
    assert model.weight.item() == 5.0
    with pytest.raises(ConfigError, match=r"decay=1\.0"):
        EMA(model, decay=1.0)
