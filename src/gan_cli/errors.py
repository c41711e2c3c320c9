"""Errors that are the user's to mend."""


class UserError(Exception):
    """What is wrong, in one sentence, with the setting, its value and what would be right."""


class MissingDataError(UserError):
    """Which files of a data set are not there, and where they could not be had from."""


class DivergedError(UserError):
    """Which quantity became NaN or infinite, and at which step."""

    def __init__(self, quantity: str) -> None:
        super().__init__(
            f"{quantity}: training has diverged; a smaller optimizer.lr (or "
            "optimizer.generator.lr, where G has its own) is the first thing to try."
        )


class NotBegunError(Exception):
    """Which job of a sweep failed, so that this one was not begun: `sweep.fail_fast`."""


class PrunedError(Exception):
    """Where a search pruned a run: it is neither finished nor has it failed."""
