"""The speed of the Parzen protocol, against scikit-learn's KernelDensity and bare products.

    python benchmarks/parzen.py      (GAN_DATA names the directory with MNIST)

The whole protocol: ten sigmas on 1000 validation images, then one on 10000 test images, under
10000 samples of 784 dimensions; training images stand in for samples. The bare products are those
of the same matrices, in the same float64. scikit-learn is timed on POINTS points at one sigma, and
scaled to the protocol's 20000 evaluations. The three alternate.
"""

import os
import resource
from importlib.metadata import version
from timeit import timeit

import numpy as np
import torch
from sklearn.neighbors import KernelDensity

from gan_cli.data.idx import IDX
from gan_cli.metrics.protocol import Fold, score
from gan_cli.metrics.references import training_images
from gan_cli.runs.environment import git_commit

ROUNDS, POINTS = 5, 20
SIGMAS = np.logspace(-1, 0, 10).tolist()


def main() -> None:
    """Print the machine, the three times, the ratios and the peak memory."""
    source = IDX("MNIST", os.environ.get("GAN_DATA", "data"))
    train, valid, test = (source.to_model(part.x) for part in source.load())
    fold, samples = Fold(valid[:1000], test), training_images(train, 10000, seed=0)
    del train, valid

    x = torch.cat([fold.valid, fold.test]).flatten(1).double()
    mu = samples.flatten(1).double()
    product = torch.empty(256, len(mu), dtype=torch.float64)

    def ours() -> object:
        return score(samples, [fold], SIGMAS)

    def bare() -> None:
        for rows in x.split(256):
            torch.mm(rows, mu.T, out=product[: len(rows)])

    ours()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    kde = KernelDensity(bandwidth=0.167).fit(mu.numpy())
    points = x[:POINTS].numpy()

    def theirs() -> object:
        return kde.score_samples(points)

    bare()
    times = np.array(
        [[timeit(work, number=1) for work in (ours, bare, theirs)] for _ in range(ROUNDS)]
    )
    times[:, 2] *= (len(SIGMAS) * len(fold.valid) + len(fold.test)) / POINTS
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75], axis=0)

    names = ("torch", "numpy", "scikit-learn")
    print(", ".join(f"{name} {version(name)}" for name in names), f"at {git_commit()}")
    cpu = torch.cpu.get_capabilities().get("cpu_name", "?")
    print(f"{cpu}, {torch.get_num_threads()} threads; medians [quartiles] of {ROUNDS} rounds")
    for i, name in enumerate(("the whole protocol", "bare products", "scikit-learn, scaled")):
        print(f"{name:24} {middle[i]:8.2f} s [{low[i]:.2f}, {high[i]:.2f}]")
    print(f"scikit-learn / ours      {np.median(times[:, 2] / times[:, 0]):8.0f}")
    print(f"ours / bare products     {np.median(times[:, 0] / times[:, 1]):8.2f}")
    print(f"peak memory with ours    {peak:8.2f} GB")


if __name__ == "__main__":
    main()
