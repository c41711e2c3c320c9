"""Whether a config's values are of the types and in the ranges that signatures declare."""

import difflib
import functools
import re
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from hydra.utils import get_object
from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from gan_cli.arguments import LISTED, OPTION_SYNONYMS, POSITIONAL, no_setting
from gan_cli.errors import UserError

# What to do about errors of Hydra's that don't say it.
HINTS = {
    "Multiple values for": "it has a value already, which is set without the +.",
    "Config group override must be": (
        "a group takes the name of one of its options, as in dataset=mnist."
    ),
    "mismatched input '='": "a value with = in it is quoted: setting=\"'a=b'\".",
    "LexerNoViableAlt": "a value of other than letters, digits and ./:+-@ is quoted: run=\"'ä'\".",
    "no viable alternative": "what has = or , in a list is quoted there: runs=\"['a=1,b=2']\".",
}

OWN = "; your own need --config-dir DIRECTORY"


def explain(error: Exception, command: str) -> str:
    """Return Hydra's error, of composing a config or recording it, as one line.

    With the setting or option that was probably meant, where one is not known.
    """
    if isinstance(error, OSError) and error.errno is not None:  # Hydra has some of its own
        return (
            f"Cannot write to the output directory {error.filename or 'of this command'}: "
            f"{error.strerror or error}; choose another place with outputs=DIRECTORY."
        )
    cause = error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return no_setting(str(cause.full_key), command)
    if unknown := re.match(r"Could not override '(\S+)'", str(error)):
        return f"{unknown[1]} is no setting of gan {command}; {LISTED.format(command)}"
    if several := re.match(r"Ambiguous value for argument '(.*)'", str(error)):
        return f"{several[1]} has several values; add -m for a sweep, or brackets for a list."
    if isinstance(error, MissingConfigException) and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        wanted = OPTION_SYNONYMS.get(option.lower(), option.lower())
        close = difflib.get_close_matches(wanted, error.options, n=1)
        hint, own = (f"did you mean {group}={close[0]}? ", "") if close else ("", OWN)
        if group == "hydra/launcher":
            hint, own = "launchers come with `pip install -e '.[cluster]'`; ", ""
        listed = ", ".join(error.options)
        return f"There is no {group}={option}; {hint}{group} is one of {listed}{own}."
    text = re.split(r"\n(?:Config search path|See https|To append)", str(error))[0]
    parts = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    parts += [hint for sign, hint in HINTS.items() if sign in text]
    if isinstance(cause, OmegaConfBaseException):
        parts.append(str(cause).splitlines()[0])
    return "; ".join(part.rstrip(".;:") if part != parts[-1] else part for part in parts)


def check(cfg: DictConfig, command: str, settings: type) -> None:
    """Raise UserError, naming the key, for the first value that is not what `settings` declares.

    `settings` is the command's dataclass; a node with a `_target_` is held to the annotations of
    its signature. A setting that is missing, or that nothing declares, is refused as well.
    """
    name = HydraConfig.get().job.config_name if HydraConfig.initialized() else command
    if name != command and _declared(cfg, settings).keys() - cfg.keys():
        raise UserError(
            f"--config-name is {name}; it must be {command}, or a config of your own that has "
            f"{command} among its defaults."
        )
    names = POSITIONAL.get(command, ())
    if any(OmegaConf.is_missing(cfg, name) for name in names):
        typed = " ".join(name.upper() for name in names)
        raise UserError(f"gan {command} takes {len(names)} runs: gan {command} {typed}.")
    try:
        _check(cfg, cfg, "", settings)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{error.full_key} can't be resolved: {reason}.") from error


def _check(cfg: DictConfig, node: DictConfig, prefix: str, hint: Any) -> None:
    """Check a node of `cfg`, all of whose keys begin with `prefix`; `hint` is its own type."""
    declared, names = _declared(node, hint), set(map(str, node))
    if _is_mapping(hint):
        needed = getattr(hint, "__required_keys__", declared.keys())  # all of a dataclass's
        if unknown := names - declared.keys():
            raise UserError(f"{prefix}{min(unknown)} is no setting of this command.")
        if missing := needed - names:
            key = f"{prefix}{min(missing)}"
            raise UserError(f"{key} is missing: ~{key} has removed it, and gan needs it.")
    for name in map(str, node):
        key = f"{prefix}{name}"
        if OmegaConf.is_missing(node, name):
            raise UserError(f"{key} has no value yet; give it one with {key}=...")
        value, wanted = node[name], declared.get(name, Any)
        if value is None and OmegaConf.is_interpolation(node, name):
            continue  # such as the shape of images that are still to be read
        if isinstance(value, DictConfig) and (
            wanted is Any or _is_mapping(wanted) or "_target_" in value
        ):
            _check(cfg, value, f"{key}.", wanted)
        elif fault := _fault(value, wanted):
            raise UserError(
                f"{_origin(cfg, key)} is {'null' if value is None else value}; {fault}."
            )


def _is_mapping(hint: Any) -> bool:
    """Return whether the type declares the keys of a node, and the type of each."""
    return is_dataclass(hint) or is_typeddict(hint)


def _declared(node: DictConfig, hint: Any) -> dict[str, Any]:
    """Return the types of what a node may hold, as far as they are declared."""
    if _is_mapping(hint):
        return get_type_hints(hint, include_extras=True)
    try:
        target = get_object(node._target_)
        # A class's own come last: what it hands on to its bases has their types.
        makers = [base.__init__ for base in reversed(getattr(target, "__mro__", ()))] or [target]
        return {
            name: hint
            for make in makers
            for name, hint in get_type_hints(make, include_extras=True).items()
        }
    except (AttributeError, ImportError, NameError, TypeError, ValueError):
        return {}  # it has no annotations; or can't be had, of which `build` says why


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    # Strict: a word is no number, and 1.0 is no whole one.
    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))


def _fault(value: Any, hint: Any) -> str | None:
    """Return what `value` should be, if it is not: "it should be less than 1"."""
    try:
        _adapter(dict if _is_mapping(hint) else hint).validate_python(
            OmegaConf.to_container(value) if isinstance(value, Container) else value
        )
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "missing":  # from an entry of a list
            return f"{first['loc'][-1]} is missing from entry {first['loc'][0]}"
        sequence = first.get("ctx", {}).get("class") == "Sequence"
        if not first["loc"] and (sequence or first["type"] in ("list_type", "sequence_str")):
            return f"it should be a list, as [{value}]"
        message = first["msg"].replace("Input", "it", 1)
        if isinstance(value, float) and value.is_integer() and "integer" in message:
            message += f", as {int(value)} is"
        return message[0].lower() + message[1:]
    return None


def _origin(cfg: DictConfig, key: str) -> str:
    """Return the setting whose value the one at `key` follows, or `key` itself."""
    parent = key.split(".")[:-1]
    written: Any = OmegaConf.to_container(cfg)
    for part in key.split("."):
        written = written[part]
    followed = re.fullmatch(r"\$\{(\.*)([\w.]+)\}", str(written))
    if followed is None:
        return key
    dots, path = followed.groups()
    above = parent[: len(parent) + 1 - len(dots)] if dots else []
    return _origin(cfg, ".".join([*above, path]))
