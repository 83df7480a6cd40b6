"""What stops a job: a mistake that the user can fix, or the user."""


class UserError(Exception):
    """Something the user can fix. The message is one sentence: what is wrong, the value, the remedy."""


class Cancelled(Exception):
    """The user cancelled the job; raised at a progress tick."""
