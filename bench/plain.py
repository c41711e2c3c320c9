"""The loop that people write: DataLoader, transforms, fp32, separate passes, .item()."""

from collections.abc import Iterator

import torch
import torchvision
from torch import Tensor, nn


class Maxout(nn.Module):
    """Maxout as it is usually written: the pieces innermost."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Return (m, units)."""
        return self.linear(x).view(-1, self.units, self.pieces).max(dim=2).values


def paper_pair() -> tuple[nn.Module, nn.Module]:
    """Return G and D of the paper's MNIST recipe, on flat images."""
    generator = nn.Sequential(
        nn.Linear(100, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(),
        nn.Linear(1200, 784), nn.Sigmoid(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Dropout(0.2), Maxout(784, 240, 5), nn.Dropout(0.5), Maxout(240, 240, 5),
        nn.Dropout(0.5), nn.Linear(240, 1),
    )  # fmt: skip
    for layer in [*generator.modules(), *discriminator.modules()]:
        if isinstance(layer, nn.Linear):
            irange = 0.05 if layer in list(generator) else 0.005
            nn.init.uniform_(layer.weight, -irange, irange)
            nn.init.zeros_(layer.bias)
    return generator, discriminator


def steps(data_dir: str, batch_size: int = 100) -> Iterator[None]:
    """Play Algorithm 1 with k = 1 on MNIST for ever, yielding after each step."""
    dataset = torchvision.datasets.MNIST(data_dir, transform=torchvision.transforms.ToTensor())
    loader = torch.utils.data.DataLoader(dataset, batch_size, shuffle=True, drop_last=True)
    generator, discriminator = paper_pair()
    g_optimizer = torch.optim.SGD(generator.parameters(), lr=0.1, momentum=0.5)
    d_optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.1, momentum=0.5)
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    while True:
        for images, _ in loader:
            real = images.view(batch_size, -1)

            d_optimizer.zero_grad()
            fake = generator(torch.rand(batch_size, 100) * 2 - 1)
            d_real = bce(discriminator(real), ones)
            d_fake = bce(discriminator(fake.detach()), zeros)
            d_loss = d_real + d_fake
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            fake = generator(torch.rand(batch_size, 100) * 2 - 1)
            g_loss = bce(discriminator(fake), ones)
            g_loss.backward()
            g_optimizer.step()

            _ = d_loss.item(), g_loss.item()
            yield
