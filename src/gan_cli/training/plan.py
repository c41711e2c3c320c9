"""What a run would be: shapes, parameters, steps, memory."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


def layers(network: nn.Module, x: Tensor) -> list[tuple[str, tuple[int, ...], int, int]]:
    """Return name, output shape, parameters and output bytes of each layer that has no parts.

    `x` is a minibatch of inputs; it is passed through once, in training mode.
    """
    rows: list[tuple[str, tuple[int, ...], int, int]] = []
    hooks = [
        module.register_forward_hook(
            lambda module, _, out, name=name: rows.append(
                (
                    f"{name} {module}".replace("_features", ""),
                    tuple(out.shape[1:]),
                    sum(p.numel() for p in module.parameters(recurse=False)),
                    out.nbytes,
                )
            )
        )
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return rows


def table(title: str, rows: list[tuple[str, tuple[int, ...], int, int]]) -> Iterator[str]:
    """Yield the lines of a table of `layers`, with the parameters' sum."""
    total = sum(parameters for _, _, parameters, _ in rows)
    yield f"{title}: {total:,} parameters"
    for name, shape, parameters, _ in rows:
        sizes = " x ".join(map(str, shape)) or "1"
        yield f"  {name:<60} -> {sizes:<12} {parameters:>11,}"


def memory(
    generator: nn.Module, discriminator: nn.Module, slots: int, activations: int, data: int
) -> int:
    """Return an estimate in bytes: weights, gradients, optimizer slots, average, activations, data.

    `slots` numbers a parameter are kept by the optimizer; `activations` bytes of layer outputs
    exist twice, once for the gradient.
    """
    g = sum(p.nbytes for p in generator.parameters())
    d = sum(p.nbytes for p in discriminator.parameters())
    return (g + d) * (2 + slots) + g + 2 * activations + data
