"""The paper's estimate of log-likelihood: a Parzen window over samples (section 5)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Rows of x at a time: as many as a matrix product wants; with 10000 samples, 20 MB of distances.
CHUNK = 256
# Rows whose exponentials are taken at a time, so that they stay in the processor's cache.
BLOCK = 32


class Estimate(NamedTuple):
    """A mean log-likelihood in nats with its standard error, over n test points, at a sigma."""

    log_likelihood: float
    standard_error: float
    n: int
    sigma: float


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
    half_mu, dimension = mu.square().sum(1).mul_(0.5), mu.shape[1]
    result = torch.empty(len(sigmas), len(x), dtype=torch.float64, device=x.device)
    for begin in range(0, len(x), chunk):
        # Half the squared distances, less |x|^2 / 2, which is the same for all samples.
        products = torch.addmm(half_mu, x[begin : begin + chunk], mu.T, alpha=-1)
        for i, near in enumerate(products.split(BLOCK)):
            block = slice(begin + i * BLOCK, begin + i * BLOCK + len(near))
            least = near.amin(1, keepdim=True)
            behind = (least - near).float()
            nearest = (least.squeeze(1) + 0.5 * x[block].square().sum(1)).clamp_min_(0)
            terms = torch.empty_like(behind)
            for s, sigma in enumerate(sigmas):
                # The nearest sample's term is 1, so that the sum is at least 1 whatever sigma is,
                # and terms below e^-80 don't count; exp is many times slower where it underflows.
                torch.mul(behind, 1 / sigma**2, out=terms).clamp_min_(-80).exp_()
                total = terms.sum(1).double()
                result[s, block] = total.log() - nearest / sigma**2
    scales = torch.tensor([math.log(s * math.sqrt(2 * math.pi)) for s in sigmas])
    return result - math.log(len(mu)) - dimension * scales.to(result)[:, None]
