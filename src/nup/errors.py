"""Errors that a user can put right."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what a user asked for: a name, an option, a file or a combination of them.

    Its message says what was expected, what was got and what to do next. The command line prints
    the message alone, without a traceback, and exits with status 2.
    """
