"""The loop that people write, as the measure of our speed: a recipe's pair in it.

DataLoader, torchvision's transforms, fp32, separate passes for each player, `.item()` each step,
and dropout, maxout and optimizers without anything of ours.
"""

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gan_cli.networks import layers, maxout


class Images(Dataset[tuple[Tensor, int]]):
    """Images x (N, C, H, W) and labels y (N,) as torchvision's data sets give them: one by one.

    Images come from PIL. `signed` maps them to [-1, 1], as tutorials do by Normalize, otherwise
    they are in [0, 1].
    """

    def __init__(self, x: Tensor, y: Tensor, signed: bool) -> None:
        self.labels = y.tolist()
        self.arrays = x.permute(0, 2, 3, 1).squeeze(3).numpy()
        normalize = [transforms.Normalize([0.5], [0.5])] if signed else []
        self.transform = transforms.Compose([transforms.ToTensor(), *normalize])

    def __len__(self) -> int:
        """Return N."""
        return len(self.arrays)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return image i in model space, and its label."""
        return self.transform(Image.fromarray(self.arrays[i])), self.labels[i]


class Maxout(nn.Module):
    """Maxout as it is usually written: the pieces innermost. Takes (m, units * pieces, ...)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Return (m, units, ...)."""
        return x.unflatten(1, (-1, self.pieces)).max(dim=2).values


def to_standard_layers(network: nn.Module) -> nn.Module:
    """Replace our dropout and maxout in `network` by PyTorch's own layers; return it."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, layers.Dropout):
            network.set_submodule(name, nn.Dropout(1 - layer.keep_prob))
        elif isinstance(layer, maxout.Maxout):
            network.set_submodule(name, nn.Sequential(layer.linear, Maxout(layer.pieces)))
        elif isinstance(layer, maxout.MaxoutConv):
            pooled = nn.Sequential(layer.conv, Maxout(layer.pieces), layer.pool)
            network.set_submodule(name, pooled)
    return network


def plain_loop(
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer,
    images: Images,
    batch_size: int,
    z_dim: int,
    fresh_z: bool,
    conditional: bool,
    device: torch.device,
) -> Iterator[None]:
    """Train the pair with k = 1 for ever, yielding after each iteration.

    With `fresh_z` G is updated on samples of its own, as in Algorithm 1; tutorials let D score the
    same ones in both updates. `conditional` networks take the minibatch's labels as well.
    """
    for optimizer in (g_optimizer, d_optimizer):
        for group in optimizer.param_groups:
            group["fused"] = None  # PyTorch's choice
    loader = DataLoader(images, batch_size, shuffle=True, drop_last=True)
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch_size, device=device), torch.zeros(batch_size, device=device)
    while True:
        for x, y in loader:
            real = x.to(device)
            c = (y.to(device),) if conditional else ()

            d_optimizer.zero_grad()
            fake = generator(torch.randn(batch_size, z_dim, device=device), *c)
            d_real = bce(discriminator(real, *c).view(-1), ones)
            d_fake = bce(discriminator(fake.detach(), *c).view(-1), zeros)
            d_loss = d_real + d_fake
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            if fresh_z:
                fake = generator(torch.randn(batch_size, z_dim, device=device), *c)
            g_loss = bce(discriminator(fake, *c).view(-1), ones)
            g_loss.backward()
            g_optimizer.step()

            _ = d_loss.item(), g_loss.item()
            yield
