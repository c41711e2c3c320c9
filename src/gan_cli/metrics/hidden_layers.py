"""What the hidden layers of a network make of images, whatever network it is."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from gan_cli.networks.layers import WEIGHTED

# Pixels to a side that a layer's maps are pooled to.
SIDE = 4


@torch.no_grad()
def hidden_layers(network: nn.Module, parts: Iterable[Tensor]) -> list[Tensor]:
    """Return the features (n, d) of each hidden layer, in the order in which they are computed.

    parts: the images, n in all, in minibatches (m, C, H, W) on the network's device. Features are
    what a linear layer or a convolution takes, but for the first, which takes the images: hence
    behind activations and normalisation. Maps are max-pooled to 4 x 4 (Radford et al., 2016,
    section 5.1). The network should be in eval mode.
    """
    inputs: list[Tensor] = []

    def record(_: nn.Module, taken: tuple[Tensor, ...]) -> None:
        # Two heads, or a layer and a shortcut around it, take the same.
        if not any(taken[0] is x for x in inputs):
            inputs.append(taken[0])

    layers = [layer for layer in network.modules() if isinstance(layer, WEIGHTED)]
    hooks = [layer.register_forward_pre_hook(record) for layer in layers]
    features: list[list[Tensor]] = []
    try:
        for part in parts:
            inputs.clear()
            network(part)
            features.append([_flat(x).reshape(len(part), -1) for x in inputs[1:]])
    finally:
        for hook in hooks:
            hook.remove()
    return [torch.cat(layer) for layer in zip(*features, strict=True)]


def _flat(x: Tensor) -> Tensor:
    if x.dim() != 4:
        return x
    return adaptive_max_pool2d(x, [min(SIDE, side) for side in x.shape[2:]])
