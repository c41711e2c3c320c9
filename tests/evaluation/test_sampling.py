import pytest
import torch

from gan_cli.evaluation.sampling import BLOCK, draw_z, generate
from gan_cli.networks.fully_connected import Generator
from gan_cli.training.priors import Gaussian, Prior, Spherical, Uniform

CPU = torch.device("cpu")


@pytest.mark.parametrize("prior", [Uniform(7), Gaussian(7), Spherical(7)])
def test_sample_i_depends_on_the_seed_and_i_alone(prior: Prior) -> None:
    generator = Generator(7, (1, 5, 5), [33], batch_norm=[True])
    most = generate(generator, draw_z(prior, 2 * BLOCK + 3, seed=4), CPU)
    for n in (1, 2, BLOCK, BLOCK + 1):
        fewer = generate(generator, draw_z(prior, n, seed=4), CPU)
        assert fewer.shape == (n, 1, 5, 5)
        assert torch.equal(fewer, most[:n])
    assert not torch.equal(most[:5], generate(generator, draw_z(prior, 5, seed=5), CPU))


def test_samples_differ_within_and_across_blocks() -> None:
    z = draw_z(Uniform(3), 4 * BLOCK, seed=0)
    assert len(z.unique(dim=0)) == 4 * BLOCK


def test_generating_leaves_the_generator_as_it_was() -> None:
    generator = Generator(7, (1, 5, 5), [33], batch_norm=[True])
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    generate(generator, draw_z(Uniform(7), 10, seed=0), CPU)
    assert generator.training
    assert all(torch.equal(v, before[k]) for k, v in generator.state_dict().items())
