"""Which processes there are, by /proc."""

from __future__ import annotations

from pathlib import Path


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet has ended too."""
    return _stat(pid) is None


def children_of(parent: int) -> dict[int, list[str]]:
    """The command line of each child that runs, by its process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (stat := _stat(int(entry.name))) and int(stat[1]) == parent:
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            found[int(entry.name)] = words
    return found


def _stat(pid: int) -> list[str] | None:
    """State, parent, … as in proc(5); None of a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields
