"""How many tiles a frame has. Apart from `tiles.py`, since every role reads settings."""

from __future__ import annotations

import re
from typing import NamedTuple


class Grid(NamedTuple):
    """So many rows of so many tiles."""

    rows: int
    columns: int

    @property
    def inferences(self) -> int:
        """That one frame costs: its tiles and the whole; 1 where the tile would be the frame."""
        return 1 if self.rows == self.columns == 1 else 1 + self.rows * self.columns


def grid_of(text: str) -> Grid:
    """`2x3`: two rows of three. Raises ValueError for what is none."""
    if not re.fullmatch(r"[1-8]x[1-8]", text):
        raise ValueError(f"{text!r}: expected ROWSxCOLUMNS, 1 to 8 each, say 2x3")
    rows, columns = text.split("x")
    return Grid(int(rows), int(columns))
