"""What `gan` and `gan COMMAND --help` print: read from `conf/`, where settings have their comments.

Hydra's own help composes the config and lists every group, of other commands too, in seconds.
"""

import re
from importlib.resources import files

COMMANDS = {
    "train": "train a generator and a discriminator against each other",
    "sample": "draw samples from a trained generator; beside their nearest training images",
    "interpolate": "draw images along paths through z-space",
    "eval-parzen": "estimate the log-likelihood of the test set by a Parzen window",
    "runs": "list the runs there are, what they were given and how far they came",
    "show": "show how a run went: its curves, and its samples while it trained",
    "diff": "list the settings in which two runs differ",
    "report": "compare the runs of a sweep, with error bars over seeds",
    "table1": "evaluate a sweep over seeds as Table 1 does, with references",
    "theory": "draw Figure 1, and check the theory of section 4 by numbers",
    "bench": "measure the speed of training on this machine",
}

USAGE = """\
Generative adversarial nets (Goodfellow et al., 2014), from the command line.

usage: gan COMMAND [setting=value ...]

{commands}

  gan train                         digits, on this machine, in minutes
  gan train dataset=mnist           Algorithm 1 on MNIST
  gan sample                        a grid of samples from the newest run
  gan COMMAND --help                a command's settings and examples
  eval "$(gan --completion bash)"   tab completion for bash
  gan --version
"""

FOOTER = """\
Every setting is set as setting=value, and every group (dataset=mnist) swaps a file in.
--cfg job prints the config that results; -m runs a sweep over lists (seed=0,1,2);
--config-dir DIR adds your own configs; --hydra-help lists the rest.
"""


def usage() -> str:
    """Return what bare `gan` prints: every command with a line each."""
    lines = [f"  {name:<12} {line}" for name, line in COMMANDS.items()]
    return USAGE.format(commands="\n".join(lines))


def help_of(command: str) -> str:
    """Return a command's purpose and examples, its settings, and the options of its groups."""
    import yaml

    conf = files("gan_cli.conf")
    texts = {name: (conf / f"{name}.yaml").read_text() for name in (command, "trained", "base")}
    config = yaml.safe_load(texts[command])
    header = config["hydra"]["help"]["header"].replace("\\$", "$")
    settings = config["hydra"]["help"].get("template")
    if settings is None:
        inherited = [name for name in ("trained", "base") if name in config["defaults"]]
        lines = [line for name in inherited for line in _settings(texts[name])]
        new = [line for line in lines if line.partition(":")[0].strip() not in config]
        settings = "\n".join(["Settings:\n", *_settings(texts[command]), *new, ""])
    groups = []
    for entry in config["defaults"]:
        group = next(iter(entry), "").removeprefix("optional ") if isinstance(entry, dict) else ""
        if group and not group.startswith("override") and "@" not in group:
            names = sorted(path.name for path in (conf / group).iterdir())
            options = [name.removesuffix(".yaml") for name in names if name.endswith(".yaml")]
            groups.append(f"  {group}: {', '.join(options)}\n")
    if groups:
        groups.insert(0, "Groups, chosen as group=option:\n\n")
    return "\n".join([header, settings, *(["".join(groups)] if groups else []), FOOTER])


def _settings(text: str) -> list[str]:
    """Return the lines of a config that set something, with their comments."""
    text = text.partition("\nhydra:")[0]
    body = re.sub(r"^(?:# .*\n|defaults:\n(?:  .*\n)*)*", "", text)
    return [f"  {line}" for line in body.splitlines() if line]
