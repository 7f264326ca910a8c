"""What is wrong with something that is tried again and again, in the log once for each change."""

from __future__ import annotations

import logging

log = logging.getLogger("onehertz.produce")


class Trouble:
    """A camera that is down for a week fills no log. Used by one thread."""

    def __init__(self, name: str, over: str) -> None:
        """`name`: whose; `over`: what is said once it has passed."""
        self._name = name
        self._over = over
        self._told = ""

    def tell(self, problem: str) -> None:
        """It is tried again, and this is why it failed."""
        if problem != self._told:
            log.warning("%s: %s; trying again", self._name, problem)
        self._told = problem

    def over(self) -> None:
        """It has worked."""
        if self._told:
            log.info("%s: %s", self._name, self._over)
        self._told = ""
