import pytest
import torch

from gan_cli.training.optimizers import Adam, Momentum, learning_rate, momentum

PAPER = {"lr": 0.1, "decay": 1.000004, "floor": 1e-6}


@pytest.mark.parametrize("epoch", [1, 250, 1000])
def test_schedules_equal_their_closed_forms(epoch: int) -> None:
    t = (epoch - 1) * 500
    assert learning_rate(t, **PAPER) == pytest.approx(max(0.1 / 1.000004**t, 1e-6), rel=1e-12)
    assert momentum(epoch, 0.5, 0.7, 250) == pytest.approx(
        0.5 + 0.2 * min((epoch - 1) / 249, 1), rel=1e-12
    )


def test_schedules_end_where_they_should() -> None:
    assert learning_rate(0, **PAPER) == 0.1
    assert learning_rate(10**9, **PAPER) == 1e-6
    assert momentum(1, 0.5, 0.7, 250) == 0.5
    assert momentum(250, 0.5, 0.7, 250) == pytest.approx(0.7)
    assert momentum(10**6, 0.5, 0.7, 250) == pytest.approx(0.7)


def test_classical_momentum_with_changing_rates() -> None:
    """v <- m v - lr g; theta <- theta + v, though PyTorch's SGD keeps another velocity."""
    recipe = Momentum(
        lr=0.3, lr_decay=1.5, lr_min=0.02, momentum=0.1, momentum_end=0.9, momentum_epochs=5
    )
    theta = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
    expected, v = theta.detach().clone(), torch.zeros(7, dtype=torch.float64)
    optimizer = recipe.build([theta])
    for t in range(12):
        g = torch.randn(7, dtype=torch.float64)
        lr, m = recipe.rates(t, epoch=t + 1)
        v = m * v - lr * g
        expected += v
        recipe.set(optimizer, t, epoch=t + 1)
        theta.grad = g
        optimizer.step()
        torch.testing.assert_close(theta.detach(), expected, rtol=1e-12, atol=1e-12)


def test_adam_with_a_decaying_rate() -> None:
    recipe = Adam(lr=0.3, lr_decay=1.5, lr_min=0.02, beta1=0.5, beta2=0.9)
    theta = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
    expected = theta.detach().clone()
    m = v = torch.zeros(7, dtype=torch.float64)
    optimizer = recipe.build([theta])
    for t in range(12):
        g = torch.randn(7, dtype=torch.float64)
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        m_hat, v_hat = m / (1 - 0.5 ** (t + 1)), v / (1 - 0.9 ** (t + 1))
        expected -= max(0.3 / 1.5**t, 0.02) * m_hat / (v_hat.sqrt() + 1e-8)
        recipe.set(optimizer, t, epoch=1)
        theta.grad = g
        optimizer.step()
        torch.testing.assert_close(theta.detach(), expected, rtol=1e-12, atol=1e-12)
