"""Decoders of model outputs, by family."""

from inference_worker.decoders.base import Candidates, Decoder
from inference_worker.decoders.detr import DetrDecoder
from inference_worker.decoders.nanodet import NanodetDecoder
from inference_worker.decoders.ssd import SsdDecoder
from inference_worker.decoders.yolo import (
    YoloV5Decoder,
    YoloV8Decoder,
    YoloV10Decoder,
    YoloxDecoder,
)
from inference_worker.formats import Detr, Nanodet, NanodetPlus, Ssd, YoloV5, YoloV8, YoloV10, Yolox
from inference_worker.manifest import Manifest

__all__ = ["Candidates", "Decoder", "decoder_of"]


def decoder_of(manifest: Manifest) -> Decoder:
    """The decoder of the manifest's output format."""
    spec = manifest.output
    labels, width, height = len(manifest.labels), manifest.input.width, manifest.input.height
    match spec:
        case Ssd():
            return SsdDecoder(spec, labels, width, height)
        case Detr():
            return DetrDecoder(spec, labels, width, height)
        case Yolox():
            return YoloxDecoder(spec, labels, width, height)
        case YoloV5():
            return YoloV5Decoder(spec, labels, width, height)
        case YoloV8():
            return YoloV8Decoder(spec, labels, width, height)
        case YoloV10():
            return YoloV10Decoder(spec, labels, width, height)
        case Nanodet() | NanodetPlus():
            return NanodetDecoder(spec, labels, width, height)
