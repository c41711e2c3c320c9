"""What a log-likelihood is worth: the same estimator's value for models that nobody trained."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.metrics.cache import cached
from gan_cli.rng import stream, stream_seed

# Table 1 of the paper, as quoted there: log-likelihood and standard error in nats.
TABLE_1: dict[str, dict[str, tuple[float, float]]] = {
    "MNIST": {
        "DBN": (138, 2),
        "Stacked CAE": (121, 1.6),
        "Deep GSN": (214, 1.1),
        "Adversarial nets": (225, 2),
    },
    "TFD": {
        "DBN": (1909, 66),
        "Stacked CAE": (2110, 50),
        "Deep GSN": (1890, 29),
        "Adversarial nets": (2057, 26),
    },
}


def training_images(train: Tensor, n: int, seed: int) -> Tensor:
    """Return n of the training images (N, ...) without replacement, or all where N <= n."""
    return train[torch.randperm(len(train), generator=stream(seed, "references"))[:n]]


def centroids(train: Tensor, k: int, seed: int, cache: Path) -> Tensor:
    """Return k centroids of the training images (N, ...) by k-means, (k, ...) float32.

    Lloyd's algorithm from randomly chosen images. They are kept in the directory `cache`. Raises
    UserError for a damaged file there.
    """
    flat = train.flatten(1).float()
    found = cached(kmeans, flat, min(k, len(flat)), seed, cache=cache)
    return found.view(-1, *train.shape[1:])


def kmeans(flat: Tensor, k: int, seed: int) -> Tensor:
    """Return k centroids (k, d) of float32 rows (n, d)."""
    # Imported here: it costs a second, and the cache usually spares it.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    start = stream_seed(seed, "kmeans") % 2**32
    kmeans = KMeans(k, init="random", n_init=1, max_iter=30, random_state=start)
    with warnings.catch_warnings():
        # Of fewer different images than k, some centroids are the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return torch.from_numpy(kmeans.fit(flat.numpy()).cluster_centers_)
