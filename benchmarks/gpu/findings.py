"""Results of runs on real GPUs: a file for each machine, and the table that is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.gpu.claims import CLAIMS, ELSEWHERE
from runtime.errors import UserError

FOLDER = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[2] / "docs" / "gpu.md"
BEGIN, END = "<!-- results: python -m benchmarks.gpu --report -->", "<!-- end of results -->"
NOT_YET: Final = "not yet"


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was tried."""

    machine: str  # processor, cores, Python
    gpu: str
    compute_capability: str
    driver: str
    cuda: str
    tensorrt: str
    is_fake: bool = False  # the tests' stand-in for a GPU: proves nothing

    def __str__(self) -> str:
        return (
            f"{self.gpu}, driver {self.driver or '?'}, CUDA {self.cuda}, TensorRT {self.tensorrt}"
        )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of one claim."""

    claim: str
    passed: bool
    figure: str  # in words, for the table
    at: str  # ISO 8601, UTC
    values: dict[str, float | int | str | None] = {}


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All of one machine; the last one of each claim."""

    host: Host
    findings: tuple[Finding, ...]


def keep(found: Iterable[Finding], host: Host, folder: Path = FOLDER) -> Path:
    """Into the machine's file, in place of older ones of the same claims.

    Raises UserError for a claim that there is none of, and where a fake GPU's would get among the
    real ones'.
    """
    found = list(found)
    if unknown := sorted({one.claim for one in found} - CLAIMS.keys()):
        raise UserError(f"nothing is to be proved by the name {', '.join(unknown)}")
    if host.is_fake and folder.resolve() == FOLDER.resolve():
        raise UserError("a fake GPU proves nothing: its results are not kept")
    path = folder / f"{_slug(host)}.json"
    before = read_file(path).findings if path.exists() else ()
    claims = {one.claim: one for one in (*before, *found)}
    results = Results(host=host, findings=tuple(claims.values()))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return path


def read_all(folder: Path = FOLDER) -> list[Results]:
    """Raises UserError for a file that is none."""
    return [read_file(path) for path in sorted(folder.glob("*.json"))]


def read_file(path: Path) -> Results:
    """Raises UserError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: is no file of results: {error}") from error


def table(results: Sequence[Results]) -> str:
    """Markdown: a row for each claim and machine, and for what nobody has tried yet."""
    lines = ["| what | where | date | figure |", "|---|---|---|---|"]
    for claim, words in (CLAIMS | ELSEWHERE).items():
        rows = list(_rows(claim, results))
        lines += [f"| {words} | {row} |" for row in rows] or [f"| {words} | | | {NOT_YET} |"]
    return "\n".join(lines)


def put_into(text: str, results: Sequence[Results]) -> str:
    """The document with its table made anew. Raises UserError where the marks are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{DOCUMENT.name}: the marks {BEGIN!r} and {END!r} must stand in it")
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


def _rows(claim: str, results: Sequence[Results]) -> Iterator[str]:
    for one in results:
        for finding in one.findings:
            if finding.claim == claim and not one.host.is_fake:
                failed = "" if finding.passed else "**failed**: "
                yield f"{one.host} | {finding.at[:10]} | {failed}{finding.figure}"


def _slug(host: Host) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", f"{host.gpu} tensorrt {host.tensorrt}".lower()).strip("-")
