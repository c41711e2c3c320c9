"""Whether real and generated examples can share a pass through D."""

import copy

import torch
from torch import Tensor, nn


def is_per_sample(discriminator: nn.Module, x: Tensor, *c: Tensor) -> bool:
    """Return whether D's logit of an example is the same in any minibatch, such as (x, *c).

    Tried on a copy in training mode, with the same masks each time, so that it holds for any
    network; D must be as it was built, its dropout still drawing from PyTorch's global stream.
    """
    trial, logits = copy.deepcopy(discriminator).train(), []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for others in (x[1:], torch.rand_like(x[1:])):
            torch.manual_seed(0)
            logits.append(trial(torch.cat([x[:1], others]), *c)[0])
    # One example has no others to be tried with.
    return len(x) > 1 and torch.equal(logits[0], logits[1])
