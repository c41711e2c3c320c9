import pytest
import torch

from gan_cli.game.objectives import Minimax, NonSaturating, value


@pytest.mark.parametrize("objective", [NonSaturating(), Minimax(), NonSaturating(0.1)])
@pytest.mark.parametrize("logit", [-1e4, -100.0, 0.0, 100.0, 1e4])
def test_finite_for_any_logit(objective: NonSaturating, logit: float) -> None:
    logits = torch.full((3,), logit, requires_grad=True)
    for loss in (objective.discriminator_loss(logits, logits), objective.generator_loss(logits)):
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert slope.isfinite().all()


def test_softplus_forms_equal_the_logarithms() -> None:
    real, fake = torch.randn(2, 50, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    v = d_real.log().mean() + (1 - d_fake).log().mean()
    torch.testing.assert_close(value(real, fake), v)
    torch.testing.assert_close(NonSaturating().discriminator_loss(real, fake), -v / 2)
    torch.testing.assert_close(Minimax(d_weight=3).discriminator_loss(real, fake), -3 * v)
    torch.testing.assert_close(NonSaturating().generator_loss(fake), -d_fake.log().mean())
    torch.testing.assert_close(Minimax().generator_loss(fake), (1 - d_fake).log().mean())


def test_smoothing_is_cross_entropy_with_a_lower_target() -> None:
    """And D's optimum where p_data = p_g is (1 - s) / 2, at which its slope vanishes."""
    real, fake = torch.randn(2, 50, dtype=torch.float64)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = (bce(real, torch.full_like(real, 0.9)) + bce(fake, torch.zeros_like(fake))) / 2
    torch.testing.assert_close(NonSaturating(0.1).discriminator_loss(real, fake), expected)
    logit = torch.tensor([0.45], dtype=torch.float64).logit().requires_grad_()
    NonSaturating(0.1).discriminator_loss(logit, logit).backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-15)
