"""`onehertz models`: the detectors that there are, and new ones from ONNX files."""

import click

from onehertz.cli.models.add import add
from onehertz.cli.models.bench import bench_command
from onehertz.cli.models.build import build_command
from onehertz.cli.models.check import check_command
from onehertz.cli.models.listing import list_command
from onehertz.cli.models.quantize import quantize_command


@click.group()
def models() -> None:
    """Detectors: onehertz's own, and yours."""


models.add_command(add)
models.add_command(list_command)
models.add_command(check_command)
models.add_command(bench_command)
models.add_command(quantize_command)
models.add_command(build_command)
