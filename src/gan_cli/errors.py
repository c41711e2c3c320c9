"""Errors that are the user's to mend."""


class UserError(Exception):
    """Says in one sentence what is wrong, with the setting, its value and what would be right."""


class MissingDataError(UserError):
    """Says which files of a data set are not there, and where they could not be had from."""


class DivergedError(UserError):
    """Says which quantity became NaN or infinite, and at which step."""

    def __init__(self, quantity: str) -> None:
        super().__init__(
            f"{quantity}: training has diverged; a smaller optimizer.lr (or "
            "optimizer.generator.lr, where G has its own) is the first thing to try."
        )


class PrunedError(Exception):
    """Says where a search gave a run up: it is neither finished nor has it failed."""
