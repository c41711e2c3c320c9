"""From a node of a config to what its `_target_` makes of it."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.errors import UserError


def build(cfg: DictConfig, key: str) -> Any:
    """Return what the node at `key` describes by its `_target_` and its settings.

    Raises UserError, with the key, for what the target refuses.
    """
    try:
        node = OmegaConf.select(cfg, key)
    except OmegaConfBaseException:  # A list has no such part.
        node = None
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(f"{key} is {node}; it must be a group's option or have a _target_.")
    try:
        settings = OmegaConf.to_container(node, resolve=True)
        assert isinstance(settings, dict)
        return instantiate(settings)
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise UserError(f"{key}: {error.__cause__}") from None
        if isinstance(error.__cause__, TypeError | ValueError):
            reason = " ".join(str(error.__cause__).splitlines()[:1])
            raise UserError(f"{key} does not fit {node._target_}: {reason}") from error
        if isinstance(error.__cause__, ImportError):
            refuse_shadowed(key, node._target_)
            # Hydra says where it looked; what it met there is the cause of that.
            cause = error.__cause__.__cause__ or error.__cause__
            reason = ": ".join([type(cause).__name__, *str(cause).splitlines()[:1]])
            name, _, attribute = node._target_.rpartition(".")
            if isinstance(file := getattr(sys.modules.get(name), "__file__", None), str):
                reason = f"{name}, which is {file}, has no {attribute}"
            raise UserError(
                f"{key}._target_ is {node._target_}, which can't be imported ({reason}); "
                "a class of your own is looked for here, in the --config-dir, and where a run had "
                "it."
            ) from error
        if isinstance(error.__cause__, MemoryError | RuntimeError):
            raise error.__cause__ from None
        raise


def refuse_shadowed(key: str, target: str) -> None:
    """Raise UserError where another module comes before the one in which a target may be."""
    name = target.partition(".")[0]
    found = find_spec(name)
    if found is None:
        return
    places = [Path(path, name) for path in sys.path]
    files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    files = [file.resolve() for file in files if file.is_file()]
    imported = Path(str(found.origin)).resolve() if found.has_location else "Python itself"
    if others := [file for file in files if file != imported]:
        raise UserError(
            f"{key}._target_ is {target}, but Python imports {name} from {imported}, and not from "
            f"{others[-1]}; give that one another name."
        )
