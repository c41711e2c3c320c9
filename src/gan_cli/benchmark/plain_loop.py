"""The loop that people write, as the measure of our speed: the paper's and other pairs in it.

DataLoader, torchvision's transforms, fp32, separate passes for each player, `.item()` each step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator

Z = 100


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images (N, C, H, W) as torchvision's data sets give them: one by one, from PIL, transformed.

    `std` of 0.5 maps them to [-1, 1], as Normalize does it in tutorials; None leaves [0, 1].
    """

    def __init__(self, x: Tensor, std: float | None) -> None:
        self.arrays = x.permute(0, 2, 3, 1).squeeze(3).numpy()
        normalize = [] if std is None else [transforms.Normalize([0.5], [std])]
        self.transform = transforms.Compose([transforms.ToTensor(), *normalize])

    def __len__(self) -> int:
        """Return N."""
        return len(self.arrays)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return image i in model space, and a label."""
        return self.transform(Image.fromarray(self.arrays[i])), 0


class Maxout(nn.Module):
    """Maxout as it is usually written: the pieces innermost. Takes (m, units * pieces, ...)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Return (m, units, ...)."""
        return x.unflatten(1, (-1, self.pieces)).max(dim=2).values


@dataclass(frozen=True)
class Plain:
    """A pair and how it is usually trained. `generator` maps (m, Z) to images.

    With `fresh_z` G moves by examples of its own, as Algorithm 1 has it; tutorials let both
    discriminators score the same.
    """

    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    batch_size: int
    optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
    std: float | None = None
    fresh_z: bool = False

    def steps(self, x: Tensor, device: torch.device) -> Iterator[None]:
        """Play with k = 1 on images `x` (N, C, H, W) for ever, yielding after each step."""
        loader = DataLoader(Pictures(x, self.std), self.batch_size, shuffle=True, drop_last=True)
        generator, discriminator = self.generator().to(device), self.discriminator().to(device)
        g_optimizer = self.optimizer(generator.parameters())
        d_optimizer = self.optimizer(discriminator.parameters())
        bce = nn.BCEWithLogitsLoss()
        ones = torch.ones(self.batch_size, device=device)
        zeros = torch.zeros(self.batch_size, device=device)
        while True:
            for images, _ in loader:
                real = images.to(device)

                d_optimizer.zero_grad()
                fake = generator(torch.randn(self.batch_size, Z, device=device))
                d_real = bce(discriminator(real).view(-1), ones)
                d_fake = bce(discriminator(fake.detach()).view(-1), zeros)
                d_loss = d_real + d_fake
                d_loss.backward()
                d_optimizer.step()

                g_optimizer.zero_grad()
                if self.fresh_z:
                    fake = generator(torch.randn(self.batch_size, Z, device=device))
                g_loss = bce(discriminator(fake).view(-1), ones)
                g_loss.backward()
                g_optimizer.step()

                _ = d_loss.item(), g_loss.item()
                yield


def _small(network: nn.Module, irange: float) -> nn.Module:
    for p in network.parameters():
        nn.init.uniform_(p, -irange, irange)
    return network


def _mnist_generator() -> nn.Module:
    layers = nn.Sequential(
        nn.Linear(Z, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(),
        nn.Linear(1200, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)),
    )  # fmt: skip
    return _small(layers, 0.05)


def _mnist_discriminator() -> nn.Module:
    layers = nn.Sequential(
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(784, 1200), Maxout(5),
        nn.Dropout(0.5), nn.Linear(240, 1200), Maxout(5), nn.Dropout(0.5), nn.Linear(240, 1),
    )  # fmt: skip
    return _small(layers, 0.005)


def _tutorial_generator() -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, 0.8), nn.LeakyReLU(0.2)]

    return nn.Sequential(
        nn.Linear(Z, 128), nn.LeakyReLU(0.2), *block(128, 256), *block(256, 512),
        *block(512, 1024), nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
    )  # fmt: skip


def _tutorial_discriminator() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256),
        nn.LeakyReLU(0.2), nn.Linear(256, 1),
    )  # fmt: skip


def _conv_generator() -> nn.Module:
    layers = nn.Sequential(
        nn.Linear(Z, 8000), nn.ReLU(), nn.Linear(8000, 8000), nn.Sigmoid(),
        nn.Unflatten(1, (80, 10, 10)), nn.ConvTranspose2d(80, 3, 5, 3),
    )  # fmt: skip
    return _small(layers, 0.05)


def _conv_discriminator() -> nn.Module:
    def block(inputs: int, channels: int, kernel: int, pad: int, pool: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, 2 * channels, kernel, padding=pad)
        return [nn.Dropout(0.5), conv, Maxout(2), nn.MaxPool2d(pool, 2, ceil_mode=True)]

    layers = nn.Sequential(
        *block(3, 32, 8, 4, 4), *block(32, 32, 8, 3, 4), *block(32, 192, 5, 3, 2), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(4800, 2500), Maxout(5), nn.Dropout(0.5), nn.Linear(500, 1),
    )  # fmt: skip
    return _small(layers, 0.005)


def _momentum(lr: float) -> Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=0.5)


def _adam(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.0002, betas=(0.5, 0.999))


# By the name of our recipe for the same pair.
PLAIN = {
    "mnist": Plain(_mnist_generator, _mnist_discriminator, 100, _momentum(0.1), fresh_z=True),
    "tutorial": Plain(_tutorial_generator, _tutorial_discriminator, 64, _adam, 0.5),
    "cifar10_conv": Plain(
        _conv_generator, _conv_discriminator, 128, _momentum(0.004), 0.5, fresh_z=True
    ),
    "dcgan": Plain(
        lambda: DCGANGenerator(Z, (3, 32, 32)),
        lambda: DCGANDiscriminator((3, 32, 32)),
        128, _adam, 0.5,
    ),
}  # fmt: skip
