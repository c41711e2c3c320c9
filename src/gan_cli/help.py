"""What `gan` and `gan COMMAND --help` print: read from `conf/`, where settings have their comments.

Hydra's own help composes the config and lists every group, of other commands too, in seconds.
"""

import re
import textwrap
from importlib.resources import files

CONF = files("gan_cli.conf")

# As a session goes; what is not named here comes last.
ORDER = (
    "train", "sample", "interpolate", "evaluate", "eval-parzen", "probe", "runs", "show", "diff",
    "report", "table1", "theory", "features", "bench",
)  # fmt: skip


def _commands() -> dict[str, str]:
    """Return what each command does: the configs at the top of `conf/` that have a header."""
    purposes = {}
    for path in sorted(CONF.iterdir(), key=lambda path: path.name):
        name, _, suffix = path.name.partition(".")
        if suffix == "yaml":
            header = re.search(r"^ +header: \|\n +gan .*?: (.*)\.$", path.read_text(), re.MULTILINE)
            if header:
                purposes[name] = header[1]
    last = len(ORDER)
    order = sorted(purposes, key=lambda name: ORDER.index(name) if name in ORDER else last)
    return {name: purposes[name] for name in order}


COMMANDS = _commands()

USAGE = """\
Generative adversarial nets (Goodfellow et al., 2014), from the command line.

usage: gan COMMAND [setting=value ...]

{commands}

  gan train                         digits, on this machine, in minutes
  gan train dataset=mnist           Algorithm 1 on MNIST
  gan sample                        a grid of samples from the newest run
  gan train --help                  a command's settings and examples
  eval "$(gan --completion bash)"   tab completion; or zsh, or fish
  gan --version
"""

FOOTER = """\
{first} and {last} in {conf} say what each means.
gan {command} --cfg job prints every setting with its value; --config-dir DIR adds your own
configs; --hydra-help lists Hydra's options.{sweeps}
"""
SWEEPS = " -m runs a sweep over lists (seed=0,1,2)."

# Commands that only read files, where the device hardly matters.
READERS = ("runs", "show", "diff", "report")

# Settings that have a line each in the help of a command; the others are named.
SHOWN = 10


def usage() -> str:
    """Return what bare `gan` prints: every command with a line each."""
    lines = [f"  {name:<12} {line}" for name, line in COMMANDS.items()]
    return USAGE.format(commands="\n".join(lines))


def help_of(command: str) -> str:
    """Return a command's purpose and examples, its settings, and the options of its groups."""
    import yaml

    config = yaml.safe_load((CONF / f"{command}.yaml").read_text())
    header = config["hydra"]["help"]["header"].replace("\\$", "$")
    # Which run it is of, where it is of one, comes first, and what all commands share last.
    sources = [
        name for name in ("trained", command, "base") if name in [*config["defaults"], command]
    ]
    read = {name: settings_of((CONF / f"{name}.yaml").read_text()) for name in sources}
    ordered = {name: line for source in read.values() for name, line in source.items()}
    options = groups(command)
    chosen = _optional_groups(command)
    chosen |= {n: line for n, line in (ordered | read[command]).items() if n not in options}
    unused = ("device", "threads") if command in READERS else ()
    matter = config["hydra"]["help"].get("template")
    if matter is None:
        matter = "Settings that matter first:\n" + "".join(
            [line for name, line in chosen.items() if name not in unused][:SHOWN]
        )
    shown = re.findall(r"^  ([\w.]+)", matter, re.MULTILINE)
    hidden = [name.partition(".") for name in chosen if name not in {*shown, *options}]
    more = dict.fromkeys(f"{node}.*" if dot else node for node, dot, _ in hidden)
    parts = [header, matter]
    if more:
        parts.append(_wrapped("Others: ", ", ".join(more)))
    if options:
        lines = [_wrapped(f"  {group}: ", ", ".join(names)) for group, names in options.items()]
        parts.append("".join(["Groups, chosen as group=option:\n", *lines]))
    *first, last = (f"{name}.yaml" for name in sources)
    sweeps = SWEEPS if "seed" in chosen else ""
    parts.append(
        FOOTER.format(first=", ".join(first), last=last, conf=CONF, command=command, sweeps=sweeps)
    )
    return "\n".join(parts)


def groups(command: str) -> dict[str, list[str]]:
    """Return the groups that a command takes, and the options of each."""
    import yaml

    found = {}
    for entry in yaml.safe_load((CONF / f"{command}.yaml").read_text())["defaults"]:
        group = next(iter(entry), "").removeprefix("optional ") if isinstance(entry, dict) else ""
        if group and not group.startswith("override") and "@" not in group:
            names = sorted(path.name for path in (CONF / group).iterdir())
            found[group] = [name.removesuffix(".yaml") for name in names if name.endswith(".yaml")]
    return found


def _optional_groups(command: str) -> dict[str, str]:
    """Return, as lines, the groups that a command can do without, where a comment explains them."""
    text = (CONF / f"{command}.yaml").read_text()
    found = re.findall(r"^  - optional (\w+): null +# (.*)$", text, re.MULTILINE)
    return {group: _line(f"{group}=null", comment) for group, comment in found}


def settings_of(text: str) -> dict[str, str]:
    """Return a config's settings by their full names: each with its value and comment, as lines."""
    body = re.sub(r"^(?:#.*\n|defaults:\n(?:  .*\n)*)*", "", text.partition("\nhydra:")[0])
    body = re.sub(r"\n +# (.*)", r" \1", body)  # comments that continue
    found = {}
    node: list[str] = []
    for line in body.splitlines():
        if parts := re.fullmatch(r"( *)([\w-]+):(?: +([^#\s].*?))?(?: +# (.*))?", line):
            indent, name, value, comment = parts.groups(default="")
            node[len(indent) // 2 :] = [name]
            if value:
                full = ".".join(node)
                value = re.sub(r"\$\{oc\.env:(\w+),(.*)\}", r"$\1 or \2", value)
                found[full] = _line(f"{full}={value.replace('???', '...')}", comment)
    return found


def _line(shown: str, comment: str) -> str:
    return _wrapped(f"  {shown:<22}  ", comment, 26)


def _wrapped(start: str, text: str, indent: int = 4) -> str:
    """Return `start` and `text` as lines, those after the first indented."""
    lines = textwrap.wrap(start + text, 100, subsequent_indent=" " * indent)
    return "\n".join(lines) + "\n"
