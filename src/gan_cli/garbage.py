"""When Python's collector of cyclic garbage runs: not while a command starts."""

import gc


def leave() -> None:
    """Let garbage lie while modules are imported and configs composed.

    They make a million objects, which stay; to look through them time and again is a sixth of the
    start of `gan train`.
    """
    gc.disable()


def set_apart() -> None:
    """Leave out what there is by now for good, if garbage lies still.

    Before a command makes anything of its own: a sweep's first networks, which are in some cycle,
    were never freed when they were set apart.
    """
    if not gc.isenabled():
        gc.freeze()


def collect() -> None:
    """Collect garbage from here on."""
    gc.enable()
