"""Errors whose type decides what happens: told to the user, retried, dead-lettered, or fatal.

OnehertzError
├── UserError           the user can mend it: one line, no traceback, exit 2
│   └── Unreachable     or it comes back by itself: a role ends with 1, and may be tried again
└── FatalError          this process can't go on: one line, exit 1; a restart may help
    ├── Fenced          another process owns this work now: drop everything, rejoin
    └── TooManyFailures so many messages fail in a row that the stage is what is broken
schemas.errors.InvalidMessage: no retry can help: to the dead letters, with its reason
"""

from __future__ import annotations

from schemas.errors import InvalidMessage


class OnehertzError(Exception):
    """Root of all errors raised on purpose."""


class UserError(OnehertzError):
    """Something the user can mend. Its text says what is wrong, where, and what to do."""


class Unreachable(UserError):
    """A server does not answer: its address is wrong, or it is away."""


class FatalError(OnehertzError):
    """This process can't go on. Its text is the one line that the log ends with."""


class Fenced(FatalError):
    """The partition or the transaction belongs to another process now."""


class TooManyFailures(FatalError):
    """Too many messages failed in a row, from several cameras: the stage is what is broken."""


__all__ = [
    "FatalError",
    "Fenced",
    "InvalidMessage",
    "OnehertzError",
    "TooManyFailures",
    "Unreachable",
    "UserError",
]
