import pytest
import torch
from torch import Tensor, nn

from gan_cli.game.priors import Gaussian, Prior, Spherical, Uniform
from gan_cli.networks.mlp import Generator
from gan_cli.sampling.samples import BLOCK, draw_z, generate, sample_blocks

CPU = torch.device("cpu")


class Noisy(Generator):
    """Noise in a layer, as StyleGAN has it."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z + 0.1 * torch.randn_like(z))


@pytest.mark.parametrize("prior", [Uniform(7), Gaussian(7), Spherical(7)])
@pytest.mark.parametrize("network", [Generator, Noisy])
def test_sample_i_depends_on_the_seed_and_i_alone(network: type[Generator], prior: Prior) -> None:
    generator = network(7, (1, 5, 5), [33], batch_norm=[True])
    most = generate(generator, draw_z(prior, 2 * BLOCK + 3, seed=4), 4, CPU)
    for n in (1, 2, BLOCK, BLOCK + 1):
        torch.rand(1)
        fewer = generate(generator, draw_z(prior, n, seed=4), 4, CPU)
        assert fewer.shape == (n, 1, 5, 5)
        assert torch.equal(fewer, most[:n])
    assert torch.equal(torch.cat(list(sample_blocks(generator, prior, len(most), 4, CPU))), most)
    assert not torch.equal(most[:5], generate(generator, draw_z(prior, 5, seed=5), 5, CPU))


def test_noise_of_the_generators_own_is_another_for_each_sample() -> None:
    """And for the same z twice in a block, or in two."""
    z = draw_z(Uniform(7), 1, seed=4).repeat(BLOCK + 1, 1)
    samples = generate(Noisy(7, (1, 5, 5), [33]), z, 4, CPU)
    assert len(samples.unique(dim=0)) == BLOCK + 1


def test_samples_differ_within_and_across_blocks() -> None:
    z = draw_z(Uniform(3), 4 * BLOCK, seed=0)
    assert len(z.unique(dim=0)) == 4 * BLOCK


def test_generating_leaves_the_generator_and_random_numbers_as_they_were() -> None:
    generator = Noisy(7, (1, 5, 5), [33], batch_norm=[True])
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    rng = torch.get_rng_state()
    generate(generator, draw_z(Uniform(7), 10, seed=0), 0, CPU)
    assert generator.training
    assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)


def test_a_generator_that_raises_is_left_in_training_mode() -> None:
    generator = nn.Linear(3, 2)
    with pytest.raises(RuntimeError, match="shapes"):
        generate(generator, torch.zeros(4, 7), 0, CPU)
    assert generator.training
