"""The paper's estimate of log-likelihood: a Parzen window over samples (section 5)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gan_cli.metrics.neighbors import half_squared

# Rows of x at a time: as many as a matrix product wants; with 10000 samples, 20 MB of distances.
CHUNK = 256
# Rows whose exponentials are taken at a time, so that they stay in the processor's cache.
BLOCK = 32


def log_likelihood(
    x: Tensor, samples: Tensor, sigmas: Sequence[float], chunk: int = CHUNK
) -> Tensor:
    """Return log p of each row of x under Gaussians of each sigma around the samples.

    log p(x) = log 1/n sum_j exp(-|x - mu_j|^2 / (2 sigma^2)) - D log(sigma sqrt(2 pi))

    x (N, ...) and samples (n, ...) are points of equal dimension D on one device; the result is
    float64 (len(sigmas), N) in nats. One matrix product a chunk of rows serves all sigmas. It is in
    float64, as a small sigma magnifies the cancellation in |x|^2 - 2 x mu + |mu|^2; exponentials,
    whose error it does not, are in float32.
    """
    # Distances don't change with the origin, but their rounding does.
    center = samples.double().mean(0)
    mu, x = (samples.double() - center).flatten(1), (x.double() - center).flatten(1)
    parts = []
    for rows, products in zip(x.split(chunk), half_squared(x, mu, chunk), strict=True):
        half_x = 0.5 * rows.square().sum(1)
        for block, half in zip(products.split(BLOCK), half_x.split(BLOCK), strict=True):
            least = block.amin(1)
            nearest = (least + half).clamp(min=0)
            behind = (least[:, None] - block).float()
            parts.append(torch.stack([_log_sum(behind, s) - nearest / s**2 for s in sigmas]))
    log_sums = torch.cat(parts, 1)
    scales = torch.tensor([math.log(s * math.sqrt(2 * math.pi)) for s in sigmas])
    return log_sums - math.log(len(mu)) - mu.shape[1] * scales.to(log_sums)[:, None]


def _log_sum(behind: Tensor, sigma: float) -> Tensor:
    """Return log sum_j exp(behind_j / sigma^2) of each row, whose largest entry is 0, in float64.

    The sum is at least 1 whatever sigma is, so that terms below e^-80 don't count; exp is many
    times slower where it underflows.
    """
    terms = (behind * (1 / sigma**2)).clamp_(min=-80).exp_()
    return terms.sum(1).double().log()
