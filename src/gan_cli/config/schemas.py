"""Typed schemas of the configs in `conf/`, with the range of each value; no value stands here."""

import math
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


def number(
    low: float = -math.inf, high: float = math.inf, above: float = -math.inf, some: bool = False
) -> Any:
    """Declare a number in [low, high], greater than `above`, and finite.

    Or several of them, at least one where it says `some`.
    """
    rule = {"low": low, "high": high, "above": above, "some": some}
    return field(default=MISSING, metadata=rule)


def choice(*values: str | int) -> Any:
    """Declare a value (or values) out of `values`."""
    return field(default=MISSING, metadata={"choices": values})


@dataclass
class Target:
    _target_: str = MISSING


@dataclass
class Dataset(Target):
    shape: list[int] = number(1)


@dataclass
class ImageDataset(Dataset):
    range: str = choice("unit", "signed", "gcn")


@dataclass
class IDXDataset(ImageDataset):
    name: str = choice("MNIST", "FashionMNIST")
    data_dir: str = MISSING
    valid: int = number(1)


@dataclass
class CIFAR10Dataset(ImageDataset):
    data_dir: str = MISSING
    valid: int = number(1)


@dataclass
class TFDDataset(ImageDataset):
    data_dir: str = MISSING
    fold: int = number(0, 4)


@dataclass
class FolderDataset(Target):
    path: str = MISSING
    cache: str = MISSING
    shape: list[int] | None = number(1)
    size: int | None = number(1, 4096)
    channels: int | None = choice(1, 3)
    range: str = choice("unit", "signed", "gcn")
    valid: float = number(high=1, above=0)
    test: float = number(high=1, above=0)
    seed: int = number(0)
    skip_broken: bool = MISSING


@dataclass
class RingDataset(Dataset):
    modes: int = number(1)
    radius: float = number(0)
    std: float = number(0)
    n: int = number(1, 100_000_000)
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
    irange: list[float] | None = number(above=0)
    biases: list[float] = number()
    sparse: int | None = number(1)
    marginal_bias: bool = MISSING
    max_col_norm: float | None = number(above=0)


@dataclass
class MaxoutDiscriminator(Target):
    shape: list[int] = number(1)
    units: list[int] = number(1)
    pieces: int = number(1)
    irange: list[float] = number(above=0)
    keep_prob_input: float = number(high=1, above=0)
    keep_prob_hidden: float = number(high=1, above=0)
    scale_kept: bool = MISSING
    max_col_norm: float | None = number(above=0)


@dataclass
class Discriminator(Target):
    shape: list[int] = number(1)
    widths: list[int] = number(1)
    activations: list[str] = choice(*ACTIVATIONS)
    batch_norm: list[bool] = MISSING
    keep_prob: float = number(high=1, above=0)


@dataclass
class DeconvGenerator(Target):
    z_dim: int = number(1)
    shape: list[int] = number(1)
    widths: list[int] = number(1)
    activations: list[str] = choice(*ACTIVATIONS)
    channels: int = number(1)
    kernel: int = number(1)
    stride: int = number(1)
    irange: list[float] = number(above=0)
    output: str = choice("sigmoid", "tanh", "linear")
    max_col_norm: float | None = number(above=0)


@dataclass
class ConvMaxoutDiscriminator(MaxoutDiscriminator):
    channels: list[int] = number(1)
    kernels: list[int] = number(1)
    pads: list[int] = number(0)
    pools: list[int] = number(1)
    strides: list[int] = number(1)
    conv_pieces: int = number(1)


@dataclass
class DCGANGenerator(Target):
    z_dim: int = number(1)
    shape: list[int] = number(1)
    width: int = number(1)
    output: str = choice("sigmoid", "tanh", "linear")


@dataclass
class DCGANDiscriminator(Target):
    shape: list[int] = number(1)
    width: int = number(1)


@dataclass
class StackedGenerator(Target):
    front: Generator = MISSING
    back: Generator = MISSING
    max_col_norm: float | None = number(above=0)


@dataclass
class ConvNetwork:
    generator: DeconvGenerator = MISSING
    discriminator: ConvMaxoutDiscriminator = MISSING


@dataclass
class DCGANNetwork:
    generator: DCGANGenerator = MISSING
    discriminator: DCGANDiscriminator = MISSING


@dataclass
class StackedNetwork:
    generator: StackedGenerator = MISSING
    discriminator: MaxoutDiscriminator = MISSING


@dataclass
class FCNetwork:
    generator: Generator = MISSING
    discriminator: MaxoutDiscriminator = MISSING


@dataclass
class MLPNetwork:
    generator: Generator = MISSING
    discriminator: Discriminator = MISSING


@dataclass
class Objective(Target):
    d_weight: float = number(above=0)


@dataclass
class SmoothedObjective(Objective):
    smoothing: float = number(0, 0.5)


@dataclass
class Prior(Target):
    dim: int = number(1, 1_000_000)


@dataclass
class UniformPrior(Prior):
    low: float = number()
    high: float = number()


@dataclass
class MomentumRates:
    lr: float = number(above=0)
    lr_decay: float = number(1)
    lr_min: float = number(above=0)
    momentum: float = number(0, 1)
    momentum_end: float = number(0, 1)
    momentum_epochs: int = number(1)


@dataclass
class PlayersMomentum(Target, MomentumRates):
    pass


@dataclass
class Momentum(MomentumRates):
    generator: PlayersMomentum = MISSING
    discriminator: PlayersMomentum = MISSING


@dataclass
class AdamRates:
    lr: float = number(above=0)
    lr_decay: float = number(1)
    lr_min: float = number(0)
    beta1: float = number(0, 0.9999999)
    beta2: float = number(0, 0.9999999)


@dataclass
class PlayersAdam(Target, AdamRates):
    pass


@dataclass
class Adam(AdamRates):
    generator: PlayersAdam = MISSING
    discriminator: PlayersAdam = MISSING


@dataclass
class Schedule:
    updates: str = choice("alternating", "simultaneous")
    k: int = number(1)
    batch_size: int = number(1)
    epochs: float | None = number(above=0)
    steps: int | None = number(1)


@dataclass
class Log:
    every_steps: int = number(1)
    grid_every_steps: int = number(1)
    grid: int = number(1, 10_000)


@dataclass
class Checkpoint:
    every_epochs: float | None = number(above=0)
    every_steps: int | None = number(1)
    every_minutes: float | None = number(0)
    share: float | None = number(0, 1)


@dataclass
class Monitor:
    every_epochs: float | None = number(above=0)
    weights: str = choice("raw", "ema")
    samples: int = number(2)
    valid: int = number(2)
    sigmas: list[float] = number(1e-6, 1e6, some=True)
    target: float | None = number()
    collapse: float = number(0, 1)


@dataclass
class Command:
    outputs: str = MISSING
    device: str = MISSING
    threads: int | None = number(1, 4096)


@dataclass
class Train(Command):
    dataset: Any = MISSING
    network: Any = MISSING
    objective: Any = MISSING
    prior: Any = MISSING
    optimizer: Any = MISSING
    schedule: Schedule = MISSING
    seed: int = number(0, 2**63 - 1)
    precision: str = choice("auto", "fp32", "tf32", "bf16")
    cuda_graph: bool = MISSING
    compile: bool = MISSING
    ema_decay: float = number(0, 0.9999999)
    ema_power: float = number(0)
    data_dir: str = MISSING
    log: Log = MISSING
    checkpoint: Checkpoint = MISSING
    monitor: Monitor = MISSING
    on_nan: str = choice("stop", "restore")
    on_collapse: str = choice("warn", "stop")
    init_from: str | None = MISSING
    resume: str | None = MISSING
    dry_run: bool = MISSING


@dataclass
class Trained(Command):
    run: str = MISSING
    weights: str = choice("raw", "ema")
    checkpoint: str = choice("newest", "best")
    data_dir: str = MISSING
    seed: int = number(0, 2**63 - 1)


@dataclass
class Sample(Trained):
    n: int | None = number(1, 10_000_000)
    columns: int | None = number(1, 10_000)
    save: str | None = MISSING
    neighbors: bool = MISSING
    real: bool = MISSING


@dataclass
class Interpolate(Trained):
    rows: int = number(1, 1000)
    points: int = number(2, 1000)
    steps: int = number(1, 1000)
    path: str = choice("linear", "slerp")
    loop: bool = MISSING
    z: str | None = MISSING
    format: str = choice("png", "gif")


@dataclass
class EvalParzen(Trained):
    samples: str | None = MISSING
    dataset: Any = MISSING
    n_samples: int = number(2)
    draws: int = number(1)
    sigmas: list[float] = number(1e-6, 1e6, some=True)
    refine: bool = MISSING
    valid_limit: int | None = number(1)
    test_limit: int | None = number(2)
    references: list[str] = choice("train", "kmeans")
    centroids: int = number(2)


@dataclass
class Report(Command):
    runs: list[str] = MISSING
    by: str = MISSING


@dataclass
class Figure2:
    rows: int = number(1, 32)
    columns: int = number(1, 32)


@dataclass
class Figure3:
    rows: int = number(1, 1000)
    points: int = number(2, 1000)
    steps: int = number(1, 1000)


@dataclass
class Table1(Command):
    runs: list[str] = MISSING
    results: str | None = MISSING
    data_dir: str = MISSING
    seed: int = number(0, 2**63 - 1)
    n_samples: int = number(2)
    draws: int = number(1)
    valid_limit: int | None = number(1)
    test_limit: int | None = number(2)
    sigmas: list[float] = number(1e-6, 1e6, some=True)
    centroids: int = number(2)
    figure2: Figure2 = MISSING
    figure3: Figure3 = MISSING


@dataclass
class Bench(Command):
    recipes: list[str] = choice("mnist", "algorithm_1", "tutorial", "cifar10_conv", "dcgan")
    precisions: list[str] = choice("fp32", "tf32", "bf16")
    compile: bool = MISSING
    turns: int = number(2)
    seconds: float = number(above=0)


@dataclass
class Density:
    means: list[float] = number()
    stds: list[float] = number(above=0)
    weights: list[float] = number(above=0)


@dataclass
class LineGenerator:
    units: int = number(1, 10_000)
    shift: float = number(-1000, 1000)
    spread: float = number(high=1000, above=0)


@dataclass
class LineDiscriminator:
    widths: list[int] = number(1)


@dataclass
class LineSchedule:
    before: int = number(1)
    inner: int = number(1)
    g_steps: int = number(1)
    after: int = number(1)
    k: int = number(1)
    batch_size: int = number(1)
    lr: float = number(high=1, above=0)


@dataclass
class Theory(Command):
    objective: Any = MISSING
    p_data: Density = MISSING
    generator: LineGenerator = MISSING
    discriminator: LineDiscriminator = MISSING
    schedule: LineSchedule = MISSING
    quadrature: int = number(100, 100_000)
    seed: int = number(0, 2**63 - 1)


SCHEMAS = {
    "train": Train,
    "sample": Sample,
    "interpolate": Interpolate,
    "eval_parzen": EvalParzen,
    "theory": Theory,
    "report": Report,
    "table1": Table1,
    "bench": Bench,
    "dataset/images": ImageDataset,
    "dataset/idx": IDXDataset,
    "dataset/cifar10": CIFAR10Dataset,
    "dataset/tfd": TFDDataset,
    "dataset/folder": FolderDataset,
    "dataset/ring": RingDataset,
    "network/fc": FCNetwork,
    "network/mlp": MLPNetwork,
    "network/conv": ConvNetwork,
    "network/dcgan": DCGANNetwork,
    "network/stacked": StackedNetwork,
    "objective": Objective,
    "objective/smoothed": SmoothedObjective,
    "prior": Prior,
    "prior/uniform": UniformPrior,
    "optimizer/momentum": Momentum,
    "optimizer/adam": Adam,
}
