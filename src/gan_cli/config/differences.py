"""Configs as their single settings: which there are, and in which two differ."""

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf


def differences(
    old: Mapping[Any, Any],
    new: Mapping[Any, Any],
    free: tuple[str, ...],
    names: tuple[str, str] = ("in the run", "now"),
) -> list[str]:
    """Return a line for each setting, but `free` and those below, in which configs differ.

    `names` says in the line whose values they are.
    """
    before, after = flatten(old), flatten(new)
    return [
        f"{key}: {before.get(key, 'absent')} {names[0]}, {after.get(key, 'absent')} {names[1]}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and not is_one_of(key, free)
    ]


def is_one_of(key: str, names: Iterable[str]) -> bool:
    """Return whether a setting is one of `names`, or below one of them."""
    return any(key == name or key.startswith(f"{name}.") for name in names)


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the settings of a config, resolved, by their full keys."""
    if isinstance(node, DictConfig):
        node = OmegaConf.to_container(node, resolve=True)
    if not isinstance(node, dict):
        return {prefix: node}
    return {
        key: value
        for name, child in node.items()
        for key, value in flatten(child, f"{prefix}.{name}" if prefix else str(name)).items()
    }
