"""Files in a cache that workers share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """So that nobody ever reads half of it; makes the folder. Raises OSError.

    Several may write it at once, whatever machine they are on: in containers that share a folder
    each process has number 1, so that numbers tell nobody apart.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)  # of workers under other users too
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
