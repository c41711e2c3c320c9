"""The one exception for what a user can mend."""


class UserError(Exception):
    """What the user can mend, in one sentence: the setting, its value and what would be right."""
