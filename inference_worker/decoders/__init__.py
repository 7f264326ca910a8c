"""Decoders of model outputs, one module per output format."""

from inference_worker.decoders.base import Candidates, Decoder
from inference_worker.decoders.ssd import SsdDecoder
from inference_worker.manifest import Manifest

__all__ = ["Candidates", "Decoder", "decoder_of"]


def decoder_of(manifest: Manifest) -> Decoder:
    """The decoder of the manifest's output format."""
    size = manifest.input
    return SsdDecoder(manifest.output, len(manifest.labels), size.width, size.height)
