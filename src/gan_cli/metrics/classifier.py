"""Which classes samples fall into, by a small convolutional network trained on the data."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

BATCH = 128
EPOCHS = 4
LEARNING_RATE = 2e-3


def train_classifier(x: Tensor, y: Tensor, seed: int) -> nn.Module:
    """Return a convolutional network trained on images x (N, C, H, W), float32, of classes y (N,).

    It gives logits (n, classes). Four epochs of Adam, the learning rate falling linearly to 0: a
    minute on two cores for MNIST, with an error below 1 % on the test images.
    """
    classes = int(y.max()) + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(x.shape[1], 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, classes),
        ).to(x.device)  # fmt: skip
        network(x[:1])
        optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        steps = EPOCHS * -(-len(x) // BATCH)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(EPOCHS):
            for index in torch.randperm(len(x)).to(x.device).split(BATCH):
                loss = cross_entropy(network(x[index]), y[index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return network.eval()


@torch.no_grad()
def classify(network: nn.Module, x: Tensor) -> Tensor:
    """Return the class of each image x (N, C, H, W), int64 (N,)."""
    return torch.cat([network(part).argmax(1) for part in x.split(1000)])


def histogram(y: Tensor, classes: int) -> list[float]:
    """Return the share of each class 0 .. classes - 1 among y (N,)."""
    return (torch.bincount(y, minlength=classes) / len(y)).tolist()


def total_variation(p: list[float], q: list[float]) -> float:
    """Return half the sum of abs(p - q) of two distributions over the same classes, in [0, 1]."""
    return sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
