"""`make bench-gpu`: speed, energy, building and starting on a real GPU."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import click

from benchmarks.gpu import findings, host
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.site import Site, site
from inference_worker.metering.meter import Readings
from runtime.errors import FatalError, UserError

ROUNDS = 9
_TURN_S = 1.0
_ENERGY_S = 10.0


@click.command(epilog="Example: make bench-gpu ARGS='--rounds 3'")
@click.option("--rounds", type=click.IntRange(1, 100), default=ROUNDS, show_default=True)
@click.option("--turn-s", type=click.FloatRange(0.01, 60), default=_TURN_S, show_default=True)
@click.option("--report", "as_report", is_flag=True, help="Only make docs/gpu.md's table anew.")
def main(rounds: int, turn_s: float, as_report: bool) -> None:
    """Measure on the GPU, and keep what came out: benchmarks/gpu/results, docs/gpu.md.

    Exit code 1 if a figure is not what is wanted, 2 where there is no GPU.
    """
    if as_report:
        write_document()
        return
    if why := host.problem():
        raise UserError(f"nothing to measure on: {why}")
    with tempfile.TemporaryDirectory(prefix="onehertz-") as cache:
        found = list(measured(site(Path(cache)), rounds, turn_s, click.echo))
    path = findings.keep(found, host.this_host())
    write_document()
    click.echo(f"written: {path}, {findings.DOCUMENT}")
    if not all(one.passed for one in found):
        sys.exit(1)


def measured(
    where: Site, rounds: int, turn_s: float, say: Callable[[str], None], gpu: Readings | None = None
) -> Iterator[Finding]:
    """`gpu`: to be metered; None: this machine's, if NVML is there."""
    # Imported here: they need TensorRT.
    from benchmarks.gpu import speed, start

    def said(finding: Finding) -> Finding:
        say(f"{finding.claim}: {'' if finding.passed else 'NOT MET: '}{finding.figure}")
        return finding

    for finding in speed.speeds(where, rounds, turn_s):
        yield said(finding)
    nvml = None if gpu else host.metered()
    with closing(nvml) if nvml else nullcontext():
        if (metered := gpu or nvml) is not None:
            yield said(speed.energy(where, metered, _ENERGY_S * turn_s))
        else:
            say("energy: NVML is not there")
    yield said(start.start(where))
    yield said(speed.built(where))


def write_document(results: Path = findings.FOLDER, document: Path = findings.DOCUMENT) -> None:
    """The table of docs/gpu.md, from all files of results."""
    text = document.read_text(encoding="utf-8")
    document.write_text(findings.put_into(text, findings.read_all(results)), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks.gpu")
    except UserError as error:
        click.echo(f"benchmarks.gpu: {error}", err=True)
        sys.exit(2)
    except FatalError as error:
        sys.exit(f"benchmarks.gpu: {error}")
