"""Makes the schemas known to Hydra, and checks that values are in their declared ranges."""

import difflib
import functools
import math
import re
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config.schemas import SCHEMAS
from gan_cli.errors import UserError

# What to do about errors of Hydra's that don't say it.
HINTS = {
    "Multiple values for": "it has a value already, which is set without the +.",
    "Config group override must be a string or a list. Got int": (
        "a number is quoted where it names a sweep, or an option: sweep='\"3\"'."
    ),
    "Config group override must be a string or a list. Got NoneType": (
        "a group takes the name of one of its options, as in dataset=mnist."
    ),
    "mismatched input '='": "a value with = in it is quoted: setting=\"'a=b'\".",
    "LexerNoViableAlt": "a value of other than letters, digits and ./:+-@ is quoted: run=\"'ä'\".",
    "no viable alternative": "what has = or , in a list is quoted there: runs=\"['a=1,b=2']\".",
    "hydra/launcher/": "launchers come with `pip install -e '.[cluster]'`.",
}


# Of numbers without an upper bound of their own: what is larger overflows somewhere.
LARGEST = 1e15


@functools.cache
def register() -> None:
    """Make the schemas known to Hydra, as `/schema/...`."""
    for path, schema in SCHEMAS.items():
        *groups, name = path.split("/")
        ConfigStore.instance().store(group="/".join(["schema", *groups]), name=name, node=schema)
    OmegaConf.register_new_resolver("logspace", _logspace, replace=True)


def _logspace(start: float, stop: float, n: int) -> list[float]:
    """Return n numbers from 10**start to 10**stop, evenly apart in the exponent."""
    return [10 ** (start + (stop - start) * i / max(n - 1, 1)) for i in range(n)]


def complaint(error: Exception) -> str:
    """Return Hydra's error, of composing a config or recording it, as one line.

    With the setting that was near, where one is not known.
    """
    if isinstance(error, OSError) and error.errno is not None:  # Hydra has some of its own
        return (
            f"Cannot write to the output directory {error.filename or 'of this command'}: "
            f"{error.strerror or error}; choose another place with outputs=DIRECTORY."
        )
    text = re.split(r"\n(?:Config search path|See https|To append)", str(error))[0]
    parts = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    parts += [hint for sign, hint in HINTS.items() if sign in text]
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        parts.append(str(cause).splitlines()[0])
        settings = list(cause.parent_node) if isinstance(cause.parent_node, DictConfig) else []
        near = difflib.get_close_matches(str(cause.key), map(str, settings), n=1)
        if near and near[0] != cause.key:
            parts.append(f"did you mean {near[0]!r}?")
    return "; ".join(part.rstrip(".;:") if part != parts[-1] else part for part in parts)


def refuse_other(cfg: DictConfig, command: str) -> None:
    """Raise UserError where --config-name has the config of something else than the command."""
    if OmegaConf.get_type(cfg) is not SCHEMAS[command.replace("-", "_")]:
        raise UserError(
            f"--config-name is {HydraConfig.get().job.config_name}; it must be {command}, or a "
            f"config of your own that has {command} among its defaults."
        )


def check(cfg: DictConfig) -> None:
    """Raise UserError, naming the key, for the first value that is out of its declared range.

    A value that follows a setting there is not is refused as well.
    """
    try:
        # A value that follows another setting is first that one's to answer for.
        declarations = [*_declared(cfg, follow=False), *_declared(cfg, follow=True)]
        for key, value, declared in declarations:
            if declared.metadata.get("some") and not value:
                raise UserError(f"{key} is empty; it must list at least one number.")
            for item in value if isinstance(value, ListConfig | list) else [value]:
                wanted = _wanted(item, declared.metadata)
                if wanted:
                    raise UserError(f"{key} is {value}; it must be {wanted}.")
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{error.full_key} can't be worked out: {reason}.") from error


def _declared(
    node: DictConfig, follow: bool, prefix: str = ""
) -> Iterator[tuple[str, Any, Field[Any]]]:
    """Yield key, value and declaration of what follows another setting, or of all else."""
    schema = OmegaConf.get_type(node)
    declared = {f.name: f for f in fields(schema)} if is_dataclass(schema) else {}
    if gone := declared.keys() - node.keys():
        key = f"{prefix}{min(gone)}"
        raise UserError(f"{key} is missing; it must have a value, so ~{key} can't take it out.")
    for name in node:
        key = f"{prefix}{name!s}"
        if OmegaConf.is_missing(node, name):
            raise UserError(f"{key} has no value yet; give it one with {key}=...")
        value = node[name]
        if isinstance(value, DictConfig):
            yield from _declared(value, follow, f"{key}.")
        elif (
            value is not None
            and name in declared
            and OmegaConf.is_interpolation(node, name) == follow
        ):
            yield key, value, declared[str(name)]


def _wanted(value: Any, rule: Any) -> str | None:
    """Return what would be right in place of `value`, or None where it is."""
    if "choices" in rule and value not in rule["choices"]:
        return f"one of {', '.join(map(str, rule['choices']))}"
    if "low" not in rule:
        return None
    low, high, above = rule["low"], rule["high"], rule["above"]
    # Written so that NaN, which compares false with everything, is refused.
    numeric = isinstance(value, int | float)
    least, most = max(low, -LARGEST), high if high < math.inf else LARGEST
    if numeric and least <= value <= most and value > above:
        return None
    bounds = [
        f"at least {least:g}" if low > -math.inf or (numeric and value < least) else "",
        f"greater than {above:g}" if above > -math.inf else "",
        f"at most {most:.7g}" if high < math.inf or (numeric and value > most) else "",
    ]
    return " and ".join(["a number", *filter(None, bounds)]).replace("a number and", "a number", 1)
