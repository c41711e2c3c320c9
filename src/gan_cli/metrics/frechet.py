"""The Fréchet distance between two sets of features (Heusel et al., 2017)."""

import torch
from torch import Tensor, linalg

from gan_cli.errors import UserError


def frechet(samples: Tensor, reference: Tensor) -> float:
    """Return the squared Fréchet distance of normal densities fitted to features (n, d) and (m, d).

    |mu - mu'|^2 + tr(S + S' - 2 (S S')^(1/2)) (Dowson and Landau, 1982), in float64; the trace of
    the root is the sum of the roots of the eigenvalues of S^(1/2) S' S^(1/2), which is symmetric.
    Of few samples it is biased upwards: only numbers of equal n compare. Raises UserError for less
    than d + 1 of either, of which S is singular.
    """
    d = samples.shape[1]
    for x in (samples, reference):
        if len(x) <= d:
            raise UserError(
                f"A Fréchet distance in {d} features needs at least {d + 1} samples and as many "
                f"reference images; there are {len(x)}."
            )
    a, b = samples.double(), reference.double()
    s, s_reference = (torch.atleast_2d(x.T.cov()) for x in (a, b))
    values, vectors = linalg.eigh(s)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = linalg.eigvalsh(root @ s_reference @ root).clamp_min(0).sqrt().sum()
    between_means = (a.mean(0) - b.mean(0)).square().sum()
    return (between_means + s.trace() + s_reference.trace() - 2 * cross).item()
