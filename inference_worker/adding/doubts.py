"""What makes a proposal doubtful though shapes and values fit, and has to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference_worker.adding.candidate import Candidate
from inference_worker.adding.graph import Graph
from inference_worker.adding.habits import FEEDINGS, feeding_of
from inference_worker.adding.inputs import Inputs
from inference_worker.adding.labels import COCO, COCO90
from inference_worker.adding.wishes import Wishes
from inference_worker.formats import Detr, Finished, Rows, YoloV10


def doubts(
    graph: Graph, candidate: Candidate, inputs: Inputs, labels: Sequence[str], wishes: Wishes
) -> Iterator[str]:
    """A sentence for each, with the flag that settles it."""
    yield from candidate.missing
    yield from _numbering(candidate, tuple(labels))
    if wishes.feeding:
        return
    if feeding_of(candidate.name, wishes, inputs.dtype) is None:
        yield (
            "how pictures are fed to it, which differs between repositories with this format: say"
            f" --fed-as {', '.join(FEEDINGS)}; or all of --colour, --mean, --std and --letterbox"
        )
    elif graph.backbone is not None:
        yield (
            f"how pictures are fed to it: its backbone is {graph.backbone}, which wants ImageNet's"
            " mean and deviation (DEIMv2 from S on): say --fed-as detr, or what it was trained with"
        )


def _numbering(candidate: Candidate, labels: tuple[str, ...]) -> Iterator[str]:
    """COCO has 80 classes with numbers up to 90: where a graph gives numbers, no shape tells."""
    spec = candidate.spec
    if isinstance(spec, Finished) and spec.first_class == 1 and labels == COCO:
        yield (
            "which of COCO's numbers it gives: models that count from 1 have 90 of them, say"
            " --labels coco90; if it has 80 without gaps, give them as a file"
        )
    if isinstance(spec, Detr | YoloV10 | Rows) and labels == COCO90:
        yield (
            "which of COCO's numbers it gives: models of this format have 80 without gaps, say"
            " --labels coco; if it has 90, give them as a file"
        )
