"""What every command's settings share. The types and ranges stand here, the values in `conf/`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Interval

from gan_cli.ranges import Seed

# A group's option, a node with a `_target_`, whose signature says what it takes; or parts with one.
Node = Any


@dataclass
class CommandSettings:
    """The settings of every command."""

    outputs: str
    device: str
    threads: Annotated[int, Interval(ge=1, le=4096)] | None


@dataclass
class TrainedSettings(CommandSettings):
    """Those of every command that reads a run."""

    run: str
    weights: Literal["raw", "ema"]
    checkpoint: Literal["newest", "best"]
    data_dir: str
    seed: Seed
