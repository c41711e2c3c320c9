"""Typed schemas of the configs in `conf/`, with the range of each value; no value stands here."""

import math
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from gan_cli import runs
from gan_cli.errors import UserError


def number(low: float = -math.inf, high: float = math.inf, above: float = -math.inf) -> Any:
    """Declare a number (or numbers) in [low, high], greater than `above`, and finite."""
    return field(default=MISSING, metadata={"low": low, "high": high, "above": above})


def choice(*names: str) -> Any:
    """Declare a word (or words) out of `names`."""
    return field(default=MISSING, metadata={"choices": names})


@dataclass
class Target:
    _target_: str = MISSING


@dataclass
class Dataset(Target):
    shape: list[int] = number(1)
    epochs: float = number(above=0)


@dataclass
class ImageDataset(Dataset):
    range: str = choice("unit", "signed")


@dataclass
class IDXDataset(ImageDataset):
    name: str = choice("MNIST", "FashionMNIST")
    data_dir: str = MISSING
    valid: int = number(1)


@dataclass
class RingDataset(Dataset):
    modes: int = number(1)
    radius: float = number(0)
    std: float = number(0)
    n: int = number(1)
    seed: int = number(0)


ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")


@dataclass
class Generator(Target):
    z_dim: int = number(1)
    shape: list[int] = number(1)
    widths: list[int] = number(1)
    activations: list[str] = choice(*ACTIVATIONS)
    batch_norm: list[bool] = MISSING
    output: str = choice("sigmoid", "tanh", "linear")
    irange: float | None = number(above=0)
    marginal_bias: bool = MISSING


@dataclass
class MaxoutDiscriminator(Target):
    shape: list[int] = number(1)
    units: list[int] = number(1)
    pieces: int = number(1)
    irange: float = number(above=0)
    keep_input: float = number(high=1, above=0)
    keep_hidden: float = number(high=1, above=0)


@dataclass
class Discriminator(Target):
    shape: list[int] = number(1)
    widths: list[int] = number(1)
    activations: list[str] = choice(*ACTIVATIONS)
    batch_norm: list[bool] = MISSING
    keep: float = number(high=1, above=0)


@dataclass
class FCNetwork:
    generator: Generator = MISSING
    discriminator: MaxoutDiscriminator = MISSING


@dataclass
class MLPNetwork:
    generator: Generator = MISSING
    discriminator: Discriminator = MISSING


@dataclass
class Prior(Target):
    dim: int = number(1)


@dataclass
class MomentumOptimizer(Target):
    lr: float = number(above=0)
    lr_decay: float = number(1)
    lr_min: float = number(above=0)
    momentum: float = number(0, 1)
    momentum_end: float = number(0, 1)
    momentum_epochs: int = number(1)


@dataclass
class AdamOptimizer(Target):
    lr: float = number(above=0)
    beta1: float = number(0, 0.9999999)
    beta2: float = number(0, 0.9999999)


@dataclass
class Schedule:
    updates: str = choice("alternating", "simultaneous")
    k: int = number(1)
    batch_size: int = number(1)
    epochs: float | None = number(above=0)
    steps: int | None = number(1)


@dataclass
class Log:
    every: int = number(1)
    grid_every: int = number(1)
    grid: int = number(1)


@dataclass
class Checkpoint:
    every_minutes: float = number(0)


@dataclass
class Command:
    outputs: str = MISSING
    device: str = MISSING
    threads: int | None = number(1)


@dataclass
class Train(Command):
    dataset: Any = MISSING
    network: Any = MISSING
    objective: Any = MISSING
    prior: Any = MISSING
    optimizer: Any = MISSING
    schedule: Schedule = MISSING
    seed: int = number(0, 2**63 - 1)
    precision: str = choice("auto", "fp32", "bf16")
    ema_decay: float = number(0, 0.9999999)
    data_dir: str = MISSING
    log: Log = MISSING
    checkpoint: Checkpoint = MISSING
    resume: str | None = MISSING
    dry_run: bool = MISSING


@dataclass
class Sample(Command):
    run: str = MISSING
    n: int = number(1)
    seed: int = number(0, 2**63 - 1)
    weights: str = choice("raw", "ema")
    columns: int | None = number(1)
    save: str | None = MISSING


SCHEMAS = {
    "train": Train,
    "sample": Sample,
    "dataset/images": ImageDataset,
    "dataset/idx": IDXDataset,
    "dataset/ring": RingDataset,
    "network/fc": FCNetwork,
    "network/mlp": MLPNetwork,
    "objective": Target,
    "prior": Prior,
    "optimizer/momentum": MomentumOptimizer,
    "optimizer/adam": AdamOptimizer,
}


def register() -> None:
    """Make the schemas known to Hydra, as `/schema/...`, and the directories to its configs."""
    for path, schema in SCHEMAS.items():
        *groups, name = path.split("/")
        ConfigStore.instance().store(group="/".join(["schema", *groups]), name=name, node=schema)
    OmegaConf.register_new_resolver("run_dir", runs.directory, replace=True)
    OmegaConf.register_new_resolver("record_dir", runs.record_directory, replace=True)


def check(cfg: DictConfig) -> None:
    """Raise UserError, naming the key, for the first value that is out of its declared range."""
    for key, value, declared in _declared(cfg):
        for item in value if isinstance(value, ListConfig) else [value]:
            wanted = _wanted(item, declared.metadata)
            if wanted:
                raise UserError(f"{key} is {value}; it must be {wanted}.")


def _declared(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any, Field[Any]]]:
    schema = OmegaConf.get_type(node)
    declared = {f.name: f for f in fields(schema)} if is_dataclass(schema) else {}
    for name in node:
        key, value = f"{prefix}{name!s}", node[name]
        if isinstance(value, DictConfig):
            yield from _declared(value, f"{key}.")
        # A value that follows another setting is that one's to answer for.
        elif value is not None and name in declared and not OmegaConf.is_interpolation(node, name):
            yield key, value, declared[str(name)]


def _wanted(value: Any, rule: Any) -> str | None:
    """Return what would be right in place of `value`, or None where it is."""
    if "choices" in rule and value not in rule["choices"]:
        return f"one of {', '.join(rule['choices'])}"
    if "low" not in rule:
        return None
    low, high, above = rule["low"], rule["high"], rule["above"]
    # Written so that NaN, which compares false with everything, is refused.
    if low <= value <= high and value > above and math.isfinite(value):
        return None
    bounds = [
        f"at least {low:g}" if low > -math.inf else "",
        f"greater than {above:g}" if above > -math.inf else "",
        f"at most {high:.7g}" if high < math.inf else "",
    ]
    return " and ".join(["a number", *filter(None, bounds)]).replace("a number and", "a number", 1)
