"""What we read of PyCUDA itself; what it does is in `driver`."""

VERSION: tuple[int, ...]
VERSION_TEXT: str
