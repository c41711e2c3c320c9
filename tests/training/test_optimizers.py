from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gan_cli.training.optimizers import Adam, Momentum, Optimizer, learning_rate, momentum

PAPER = {"lr": 0.1, "decay": 1.000004, "floor": 1e-6}


@pytest.mark.parametrize("epoch", [1, 250, 1000])
def test_schedules_equal_their_closed_forms(epoch: int) -> None:
    n = (epoch - 1) * 500
    assert learning_rate(n, **PAPER) == pytest.approx(max(0.1 / 1.000004**n, 1e-6), rel=1e-12)
    assert momentum(epoch, 0.5, 0.7, 250) == pytest.approx(
        0.5 + 0.2 * min((epoch - 1) / 249, 1), rel=1e-12
    )


def test_schedules_end_where_they_should() -> None:
    assert learning_rate(10**9, **PAPER) == 1e-6
    assert momentum(10**6, 0.5, 0.7, 250) == pytest.approx(0.7)


def updates(recipe: Optimizer) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield n, a random gradient and the parameters, which begin as 0, after the update by it."""
    theta = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
    optimizer = recipe.build([theta])
    for n in range(12):
        theta.grad = torch.randn(7, dtype=torch.float64)
        recipe.set_hyperparameters(optimizer, n, epoch=n + 1)
        optimizer.step()
        yield n, theta.grad, theta.detach()


def test_classical_momentum_with_changing_hyperparameters() -> None:
    """v <- m v - lr g; theta <- theta + v, though PyTorch's SGD has another velocity."""
    recipe = Momentum(
        lr=0.3, lr_decay=1.5, lr_min=0.02, momentum=0.1, momentum_end=0.9, momentum_epochs=5
    )
    expected = v = torch.zeros(7, dtype=torch.float64)
    for n, g, theta in updates(recipe):
        lr, m = recipe.schedule(n, epoch=n + 1)
        v = m * v - lr * g
        expected = expected + v
        torch.testing.assert_close(theta, expected, rtol=1e-12, atol=1e-12)


def test_adam_with_a_decaying_learning_rate() -> None:
    expected = m = v = torch.zeros(7, dtype=torch.float64)
    for n, g, theta in updates(Adam(lr=0.3, lr_decay=1.5, lr_min=0.02, beta1=0.5, beta2=0.9)):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        m_hat, v_hat = m / (1 - 0.5 ** (n + 1)), v / (1 - 0.9 ** (n + 1))
        expected = expected - max(0.3 / 1.5**n, 0.02) * m_hat / (v_hat.sqrt() + 1e-8)
        torch.testing.assert_close(theta, expected, rtol=1e-12, atol=1e-12)
