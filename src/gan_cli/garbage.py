"""When Python's collector of cyclic garbage runs: not while a command starts."""

import gc


def leave() -> None:
    """Let garbage lie while modules are imported and configs composed.

    They make a million objects, which stay; to look through them time and again is a sixth of the
    start of `gan train`.
    """
    gc.disable()


def collect_from_here() -> None:
    """Collect garbage again, but none of what there is by now. Nothing where it is collected."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
