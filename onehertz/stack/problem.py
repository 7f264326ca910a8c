"""What keeps a stack from running, in two halves: `onehertz doctor` shows them apart."""

from __future__ import annotations

from runtime.errors import UserError


class Problem(UserError):
    """Something about the stack that the user can mend: what is wrong and where; what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}. {advice}")
        self.what = what
        self.advice = advice
