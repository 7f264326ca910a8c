"""Decoders of model outputs, by family."""

from collections.abc import Callable, Mapping

from inference_worker import formats
from inference_worker.decoders.anchors import YoloAnchorsDecoder
from inference_worker.decoders.base import Candidates, Decoder
from inference_worker.decoders.boxes_scores import BoxesScoresDecoder
from inference_worker.decoders.detr import DetrDecoder, DetrLogitsDecoder
from inference_worker.decoders.fastestdet import FastestDetDecoder
from inference_worker.decoders.finished import FinishedDecoder, RowsDecoder
from inference_worker.decoders.nanodet import NanodetDecoder
from inference_worker.decoders.ssd import SsdDecoder
from inference_worker.decoders.yolo import YoloV5Decoder, YoloV8Decoder, YoloxDecoder
from inference_worker.manifest import Manifest

__all__ = ["Candidates", "Decoder", "decoder_of"]

# Each is made of its format, the number of labels, and the input's width and height in pixels.
_DECODERS: Mapping[type, Callable[..., Decoder]] = {
    formats.Ssd: SsdDecoder,
    formats.YoloAnchors: YoloAnchorsDecoder,
    formats.Detr: DetrDecoder,
    formats.DetrLogits: DetrLogitsDecoder,
    formats.Yolox: YoloxDecoder,
    formats.YoloV5: YoloV5Decoder,
    formats.YoloV8: YoloV8Decoder,
    formats.YoloV10: RowsDecoder,
    formats.Nanodet: NanodetDecoder,
    formats.NanodetPlus: NanodetDecoder,
    formats.FastestDet: FastestDetDecoder,
    formats.Rows: RowsDecoder,
    formats.Finished: FinishedDecoder,
    formats.BoxesScores: BoxesScoresDecoder,
}


def decoder_of(manifest: Manifest) -> Decoder:
    """The decoder of the manifest's output format."""
    size = manifest.input.width, manifest.input.height
    return _DECODERS[type(manifest.output)](manifest.output, len(manifest.labels), *size)
