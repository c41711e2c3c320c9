"""Every setting of every command, with wrong values of each kind: the message names the setting."""

import importlib
import math
from collections.abc import Iterator
from pathlib import Path

import gan_cli.conf
import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.validate import check
from gan_cli.errors import UserError
from gan_cli.help import COMMANDS
from gan_cli.ranges import Count
from gan_cli.runs import resolvers

GROUPS = ("dataset", "network", "objective", "prior", "optimizer", "schedule")
CONF = Path(next(iter(gan_cli.conf.__path__)))
# Every option of every group, which only `gan train` takes all of.
OPTIONS = [
    f"{group}={path.stem}" for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))
]
# Anything goes there as far as types do: text, or whatever a class of the user's own takes.
FREE = {
    "_target_", "outputs", "device", "data_dir", "run", "resume", "init_from", "save", "z", "by",
    "samples", "results", "path", "cache", "a", "b", "cuda_graph", "objective", "dataset", "runs",
    "label",
}  # fmt: skip


def composed(command: str, *overrides: str) -> DictConfig:
    resolvers.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        return compose(command, list(overrides))


def settings_of(command: str) -> type:
    return importlib.import_module(f"gan_cli.commands.{command.replace('-', '_')}").Settings


def leaves(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in node:
        value = None if OmegaConf.is_missing(node, name) else node[name]
        if isinstance(value, DictConfig):
            yield from leaves(value, f"{prefix}{name}.")
        elif not OmegaConf.is_interpolation(node, name):
            yield f"{prefix}{name}"


def refusal(cfg: DictConfig, command: str, key: str, value: object) -> str:
    before = OmegaConf.select(cfg, key)  # restored at the end: a copy takes longer than all else
    OmegaConf.update(cfg, key, value, merge=False)
    with pytest.raises(UserError) as error:
        check(cfg, command, settings_of(command))
    OmegaConf.update(cfg, key, before, merge=False)
    return str(error.value)


@pytest.mark.parametrize(
    ("command", "option"),
    [*((name, None) for name in COMMANDS), *(("train", option) for option in OPTIONS)],
)
def test_wrong_values(command: str, option: str | None) -> None:
    cfg = composed(command, *([option] if option else []))
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "text")
    check(cfg, command, settings_of(command))
    group = option.partition("=")[0] if option else ""
    own = [k for k in leaves(cfg) if k.startswith(group) and k.rpartition(".")[2] not in FREE]
    if option and option.startswith("optimizer"):  # the players' settings follow these
        assert len(own) > 4
    for key in own:
        for value in ({"a": 1}, [[math.nan]], "nonsense", math.nan):
            message = refusal(cfg, command, key, value)
            assert message.startswith(f"{key} is "), message
            assert "should" in message or "not allowed" in message
            assert "\n" not in message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schedule.k", 0, "greater than or equal to 1"),
        ("schedule.k", 1.5, "a valid integer"),
        ("schedule.k", True, "a valid integer"),
        ("schedule.k", None, "schedule.k is null; it should be a valid integer"),
        ("schedule.steps", 10**400, "less than or equal to 10"),
        ("optimizer.lr", 0, "optimizer.lr is 0; it should be greater than 0"),
        ("optimizer.lr", math.inf, "a finite number"),
        ("optimizer.generator.lr", -1, "optimizer.generator.lr is -1"),
        ("prior.dim", 0, "prior.dim is 0"),  # which network.generator.z_dim follows
        ("network.generator.z_dim", 0, "network.generator.z_dim is 0"),
        ("network.generator.widths", [8, 0], "[8, 0]; it should be greater than or equal to 1"),
        ("network.generator.widths", "8", "widths is 8; "),
        ("network.generator.batch_norm", [1], "a valid boolean"),
        ("network.generator.init.irange", [0.0], "init.irange is [0.0]; it should be greater than"),
        ("network.generator.init", None, "generator.init is null; it should be a valid dict"),
        ("monitor", 7, "monitor is 7; it should be a valid dictionary"),
        ("network.generator.init.foo", 1, "network.generator.init.foo is no setting of this comma"),
        ("network.discriminator.keep_prob_input", 0, "greater than 0"),
        ("monitor.sigmas", [], "at least 1 item"),
        ("dry_run", "yes", "a valid boolean"),
        ("foo", 1, "foo is no setting of this command"),
        ("log.foo", 1, "log.foo is no setting of this command"),
        ("network.generator.z_dim", "???", "network.generator.z_dim has no value yet"),
        ("seed", "${nowhere}", "seed can't be resolved"),
    ],
)
def test_the_message_says_what_would_be_right(key: str, value: object, words: str) -> None:
    cfg = composed("train")
    OmegaConf.set_struct(cfg, False)
    assert words in refusal(cfg, "train", key, value)


def test_a_mapping_in_a_list() -> None:
    cfg = composed("train", "network=conv")
    first = {"channels": 2, "kernel": 4, "pad": 2, "pool": 4}
    for value, words in (
        ([first], "stride is missing from entry 0"),
        ([{**first, "stride": 0}], "greater than or equal to 1"),
        ([8], "a valid dictionary"),
    ):
        assert words in refusal(cfg, "train", "network.discriminator.convolutions", value)


class Own:
    """D of a user's own, with a range of its own."""

    def __init__(self, width: Count) -> None: ...


def test_ranges_of_a_users_own_class() -> None:
    cfg = composed("train")
    OmegaConf.set_struct(cfg, False)
    cfg.network.discriminator = {"_target_": f"{__name__}.Own", "width": 0}
    with pytest.raises(UserError, match=r"network\.discriminator\.width is 0; it should be"):
        check(cfg, "train", settings_of("train"))
