"""What follows from the data alone is measured once, and kept in the files of a directory."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.files import replacing
from gan_cli.metrics.views import Classes, Space, View


def cached_view(space: Space, x: Tensor, cache: Path | None) -> View:
    """Return space(x) of images (N, C, H, W), from the directory `cache`, if any, if it is there.

    Raises UserError for a damaged file.
    """
    if cache is None:
        return space(x)

    def measure() -> dict[str, Tensor]:
        features, classes, _ = space(x)
        if classes is None:
            return {"features": features}
        return {"features": features, **classes._asdict(), "of": torch.tensor(classes.of)}

    tensors = _cached(cache / f"view-{_digest(x)}-{space.key}.safetensors", measure)
    features = tensors.pop("features")
    if not tensors:
        return View(features, None)
    return View(
        features, Classes(tensors["most_probable"], tensors["confidence"], int(tensors["of"]))
    )


def cached(
    measure: Callable[..., Tensor], *arguments: Tensor | float, cache: Path | None
) -> Tensor:
    """Return measure(*arguments), from the directory `cache`, if any, if it is there.

    Raises UserError for a damaged file.
    """
    if cache is None:
        return measure(*arguments)
    path = cache / f"{measure.__name__}-{_digest(*arguments)}.safetensors"
    return _cached(path, lambda: {"measured": measure(*arguments)})["measured"]


def _cached(path: Path, measure: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    if not path.is_file():
        tensors = measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(tensors, temporary)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged; delete it, and it is made anew.") from error


def _digest(*arguments: Tensor | float) -> str:
    digest = hashlib.sha256()
    for x in arguments:
        if isinstance(x, Tensor):
            digest.update(x.contiguous().numpy().data)
        digest.update(repr(x.shape if isinstance(x, Tensor) else x).encode())
    return digest.hexdigest()[:16]
