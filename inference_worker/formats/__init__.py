"""Output formats of detectors, as a manifest names them: each with the settings of its decoder.

Sizes of tensors are given with the batch first; a batch of 1 that a graph squeezes away is put
back by the backends. Each format's decoder is in `decoders/`.
"""

from __future__ import annotations

from inference_worker.formats.anchors import Ssd, SsdAnchors, YoloAnchors
from inference_worker.formats.base import FirstClass, Positive, Score, Strides, TensorName, Units
from inference_worker.formats.detr import Detr, DetrLogits
from inference_worker.formats.finished import BoxesScores, Column, Finished, Rows, YoloV10
from inference_worker.formats.grids import FastestDet, Nanodet, NanodetPlus, YoloV5, YoloV8, Yolox

# Each object comes out once: there is nothing to suppress.
WithoutNms = Detr | DetrLogits | YoloV10 | Rows | Finished
Output = (
    Ssd
    | YoloAnchors
    | Detr
    | DetrLogits
    | Yolox
    | YoloV5
    | YoloV8
    | YoloV10
    | Nanodet
    | NanodetPlus
    | FastestDet
    | Rows
    | Finished
    | BoxesScores
)

__all__ = [
    "BoxesScores",
    "Column",
    "Detr",
    "DetrLogits",
    "FastestDet",
    "Finished",
    "FirstClass",
    "Nanodet",
    "NanodetPlus",
    "Output",
    "Positive",
    "Rows",
    "Score",
    "Ssd",
    "SsdAnchors",
    "Strides",
    "TensorName",
    "Units",
    "WithoutNms",
    "YoloAnchors",
    "YoloV5",
    "YoloV8",
    "YoloV10",
    "Yolox",
]
