"""What a run would be: shapes, parameters, steps, memory."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def layers(network: nn.Module, x: Tensor) -> list[tuple[str, tuple[int, ...], int, int]]:
    """Return name, output shape, parameters and output bytes of each layer.

    Of modules with parts only those are layers that have parameters beside their parts'. `x` is
    a minibatch of inputs; it is passed through once, in training mode.
    """
    rows: list[tuple[str, tuple[int, ...], int, int]] = []

    def hook(name: str, module: nn.Module) -> RemovableHandle:
        own = sum(p.numel() for p in module.parameters(recurse=False))
        said = type(module).__name__ if list(module.children()) else str(module)
        label = f"{name} {said}".replace("_features", "")

        def note(_module: nn.Module, _x: object, out: object) -> None:
            # Of what gives several tensors, as nn.LSTM does, the first one's shape is shown.
            tensors = list(tensors_in(out))
            shape = tuple(tensors[0].shape[1:]) if tensors else ()
            rows.append((label, shape, own, sum(x.nbytes for x in tensors)))

        return module.register_forward_hook(note)

    hooks = [
        hook(name, module)
        for name, module in network.named_modules()
        if not list(module.children()) or list(module.parameters(recurse=False))
    ]
    with torch.no_grad():
        network(x)
    for handle in hooks:
        handle.remove()
    return rows


def tensors_in(output: object) -> Iterator[Tensor]:
    """Yield the tensors in what a module returns: one, or tuples, lists and dicts of them."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list | dict):
        for part in output.values() if isinstance(output, dict) else output:
            yield from tensors_in(part)


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
