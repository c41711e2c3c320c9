"""What a run would be: shapes, parameters, memory."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook


def layers(network: nn.Module, *x: Tensor) -> list[tuple[str, tuple[int, ...], int, int]]:
    """Return name, output shape, parameters and output bytes of each layer.

    Of modules with parts only those are layers that have parameters beside their parts'. `x` are
    a minibatch's inputs; they are passed through once, in training mode.
    """
    names = {module: name for name, module in network.named_modules()}
    rows: list[tuple[str, tuple[int, ...], int, int]] = []

    def note(module: nn.Module, _x: object, out: object) -> None:
        parts = list(module.children())
        own = sum(p.numel() for p in module.parameters(recurse=False))
        if parts and not own:
            return
        label = f"{names.get(module)} {type(module).__name__ if parts else module}"
        # Of what returns several tensors, as nn.LSTM does, the first is shown.
        out = out[0] if isinstance(out, tuple) else out
        shape, size = (tuple(out.shape[1:]), out.nbytes) if isinstance(out, Tensor) else ((), 0)
        rows.append((label.replace("_features", ""), shape, own, size))

    with torch.no_grad(), register_module_forward_hook(note):
        network(*x)
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

    The optimizer stores `slots` numbers a parameter; `activations` bytes of layer outputs exist
    twice, once for the gradient.
    """
    g = sum(p.nbytes for p in generator.parameters())
    d = sum(p.nbytes for p in discriminator.parameters())
    return (g + d) * (2 + slots) + g + 2 * activations + data
