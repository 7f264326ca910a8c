"""Annotated snapshots."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import UserError
from schemas.messages import Box
from vision.draw import colour_of, draw_boxes, write_png


def box(label: str = "person", score: float = 0.87, **corners: float) -> Box:
    where = {"x1": 0.25, "y1": 0.4, "x2": 0.75, "y2": 0.8} | corners
    return Box(label=label, score=score, **where)


def test_the_edges_of_a_box_have_its_colour_and_its_middle_is_untouched():
    grey = np.full((200, 400, 3), 128, dtype=np.uint8)
    drawn = draw_boxes(grey, [box()])
    colour = list(colour_of("person"))
    assert drawn[160, 200].tolist() == colour  # lower edge
    assert drawn[120, 100].tolist() == colour  # left edge
    assert drawn[120, 300].tolist() == colour  # right edge
    assert drawn[120, 200].tolist() == [128, 128, 128]
    assert drawn[190, 50].tolist() == [128, 128, 128]


def test_the_label_stands_above_its_box():
    grey = np.full((200, 400, 3), 128, dtype=np.uint8)
    above = draw_boxes(grey, [box()])[60:79, 100:180]
    assert (above == colour_of("person")).all(axis=2).any()
    assert (above < 40).all(axis=2).any()  # the letters


def test_the_label_of_a_box_at_the_upper_edge_stays_in_the_picture():
    grey = np.full((200, 400, 3), 128, dtype=np.uint8)
    drawn = draw_boxes(grey, [box(x1=0.9, y1=0.0, x2=1.0)])
    assert (drawn[2:18, 300:396] < 40).all(axis=2).any()


def test_drawing_leaves_the_frame_alone():
    grey = np.full((50, 50, 3), 128, dtype=np.uint8)
    draw_boxes(grey, [box()])
    assert (grey == 128).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 2000, 3), (2000, 1, 3)])
def test_odd_frames_can_be_drawn_on(shape):
    assert draw_boxes(np.zeros(shape, dtype=np.uint8), [box(x1=0.0, x2=1.0)]).shape == shape


def test_the_better_box_lies_on_top():
    grey = np.full((200, 400, 3), 128, dtype=np.uint8)
    drawn = draw_boxes(grey, [box("car", 0.9), box("dog", 0.5)])
    assert drawn[160, 200].tolist() == list(colour_of("car"))
    assert colour_of("car") != colour_of("dog")


def test_a_png_holds_exactly_what_was_drawn(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    path = tmp_path / "snapshots" / "yard.png"
    write_png(path, image)
    assert np.array_equal(cv2.imread(str(path)), image)
    assert [entry.name for entry in path.parent.iterdir()] == ["yard.png"]


def test_a_png_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"file/yard\.png: can't be written: "):
        write_png(tmp_path / "file" / "yard.png", np.zeros((4, 4, 3), dtype=np.uint8))
