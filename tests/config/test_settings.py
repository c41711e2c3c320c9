"""Every setting of every command, with a wrong value of each kind and the sentence it gets."""

import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.cli import COMMANDS
from gan_cli.config import validate as config
from gan_cli.errors import UserError

# The groups' options beside the defaults, so that each is looked at once.
OPTIONS = [
    *[
        ("train", f"dataset={name}")
        for name in ["cifar10", "fashion_mnist", "mnist", "ring", "tfd"]
    ],
    ("train", "dataset=folder dataset.path=pictures"),
    *[("train", f"network={name}") for name in ["conv", "dcgan", "mlp", "tfd"]],
    *[("train", f"objective={name}") for name in ["minimax", "smoothed"]],
    ("train", "optimizer=momentum"),
    *[("train", f"prior={name}") for name in ["gaussian", "spherical"]],
]

# What is a setting of a group's class, or of anybody's own, and has no type here.
FREE = {"dataset", "network", "objective", "prior", "optimizer", "_target_"}


def composed(command: str, overrides: str = "") -> DictConfig:
    config.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        return compose(command, overrides.split())


def declared(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield the key, the type and the declared range of each setting."""
    schema = OmegaConf.get_type(node)
    types = get_type_hints(schema) if is_dataclass(schema) else {}
    rules = {f.name: dict(f.metadata) for f in fields(schema)} if is_dataclass(schema) else {}
    for name in node:
        child = None if OmegaConf.is_missing(node, name) else node[name]
        if isinstance(child, DictConfig):
            yield from declared(child, f"{prefix}{name}.")
        elif name not in FREE:
            yield f"{prefix}{name}", types[name], rules[name]


def wrong(kind: Any, rule: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield values that are wrong for a setting of that kind, and words of what they are told."""
    optional = type(None) in get_args(kind)
    (kind,) = [k for k in get_args(kind) if k is not type(None)] if optional else [kind]
    if not optional:
        yield None, "not Optional"
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        yield "word", "Invalid value assigned"
        for value, words in wrong(item, rule):
            # Each of its entries must be right.
            yield [value], words if value is not None else "Invalid type assigned|not Optional|None"
        return
    if kind in (int, float):
        yield "word", "Integer" if kind is int else "Float"
        yield [1, 2], "Integer" if kind is int else "Float"
        yield {"a": 1}, "Integer" if kind is int else "Float"
    if kind is int:
        yield 1.5, "Integer"
    if kind is bool:
        yield "perhaps", "not a valid bool"
        yield 7.5, "bool"
    if kind is float:
        yield math.nan, "it must be a number"
        yield math.inf, "it must be a number"
    if "choices" in rule:
        yield ("nonsense" if kind is str else -7), "it must be one of"
    if rule.get("low", -math.inf) > -math.inf:
        yield kind(rule["low"] - 1), f"it must be a number at least {rule['low']:g}"
    if rule.get("above", -math.inf) > -math.inf:
        yield kind(rule["above"]), f"greater than {rule['above']:g}"
    if rule.get("high", math.inf) < math.inf:
        yield kind(rule["high"] * 2 + 1), f"at most {rule['high']:.7g}"


def complaint(cfg: DictConfig, key: str, value: Any, before: Any) -> tuple[str, str]:
    """Return what a person is told, as the commands tell it, and of which setting."""
    told = named = "nothing"
    try:
        OmegaConf.update(cfg, key, value, merge=False)
        config.check(cfg)
    except UserError as error:
        told, named = str(error), str(error).partition(" is ")[0]
    except OmegaConfBaseException as error:
        told, named = config.complaint(error), str(error.full_key)
    OmegaConf.update(cfg, key, before, merge=False)
    return told, named


@pytest.mark.parametrize(("command", "overrides"), [*((c, "") for c in COMMANDS), *OPTIONS])
def test_wrong_values(command: str, overrides: str) -> None:
    cfg = composed(command, overrides)
    config.check(cfg)
    as_written, tried = OmegaConf.to_container(cfg), 0
    for key, kind, rule in declared(cfg):
        for value, words in wrong(kind, rule):
            before = functools.reduce(operator.getitem, key.split("."), as_written)
            told, named = complaint(cfg, key, value, before)
            assert named.partition("[")[0] == key, told
            assert any(word in told for word in words.split("|")), (key, value, told)
            assert "\n" not in told
            tried += 1
    assert tried > 10


def test_a_table_that_is_whole() -> None:
    """Every option of every group is in the table above."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.object_type import ObjectType

    config.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        for group in ("dataset", "network", "objective", "prior", "optimizer", "schedule"):
            options = set(loader.get_group_options(group, ObjectType.CONFIG))
            tried = {o.split("=")[1].split()[0] for _, o in OPTIONS if o.startswith(f"{group}=")}
            default = {str(d.get(group)) for d in _defaults() if group in d}
            # The schedules have the same settings.
            assert options <= tried | default | {"simultaneous"}, group


def _defaults() -> list[dict[str, Any]]:
    from importlib.resources import files

    text = files("gan_cli.conf").joinpath("train.yaml").read_text()
    entries = OmegaConf.create(text).defaults
    return [OmegaConf.to_container(entry) for entry in entries if isinstance(entry, DictConfig)]
