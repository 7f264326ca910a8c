"""AP against pycocotools, on random and on awkward cases; and by hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision.average_precision import SIZES, Picture, average_precision
from vision.boxes import area


def picture(objects=(), boxes=(), scores=(), *, crowd=(), ignored=(), areas=()) -> Picture:
    """Of xyxy; flags of objects by their numbers."""
    there = np.array(objects, np.float64).reshape(-1, 4)
    numbers = np.arange(len(there))
    sizes = np.array(areas, np.float64) if len(areas) else area(there)
    reported = np.array(boxes, np.float64).reshape(-1, 4)
    flags = (np.isin(numbers, list(which)) for which in (crowd, ignored))
    return Picture(there, *flags, sizes, reported, np.array(scores, np.float64))


class Evaluation(COCOeval):
    """Heeds `ignore`, which COCOeval reads and then overwrites with `iscrowd`."""

    def _prepare(self) -> None:
        super()._prepare()
        for objects in self._gts.values():
            for one in objects:
                one["ignore"] = one["iscrowd"] or one["aside"]


def by_pycocotools(pictures: Sequence[Picture]) -> np.ndarray:
    """(sizes, IoUs), NaN where it says -1."""
    annotations, results = [], []
    for image, one in enumerate(pictures, start=1):
        annotations += [
            {
                "id": len(annotations) + 1 + n, "image_id": image, "category_id": 1,
                "bbox": [*box[:2], *(box[2:] - box[:2])], "area": one.areas[n],
                "iscrowd": int(one.crowd[n]), "aside": int(one.ignored[n]),
            }
            for n, box in enumerate(one.objects)
        ]  # fmt: skip
        results += [
            {
                "image_id": image, "category_id": 1, "score": score,
                "bbox": [*box[:2], *(box[2:] - box[:2])],
            }
            for box, score in zip(one.boxes, one.scores, strict=True)
        ]  # fmt: skip
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": n + 1, "width": 640, "height": 480} for n in range(len(pictures))],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judged = Evaluation(truth, truth.loadRes(results) if results else COCO(), "bbox")
        judged.params.imgIds = list(range(1, len(pictures) + 1))
        judged.params.catIds = [1]
        judged.params.maxDets = [1000]
        judged.evaluate()
        judged.accumulate()
    precision = judged.eval["precision"][:, :, 0, :, 0]  # IoU, recall, size
    mean = precision.mean(axis=1).T
    return np.where(mean < -0.5, np.nan, mean)


SQUARE = (100.0, 100.0, 200.0, 200.0)
NEXT = (120.0, 100.0, 220.0, 200.0)
AWKWARD = {
    "nothing there, something reported": [picture((), [SQUARE], [0.9])],
    "something there, nothing reported": [picture([SQUARE])],
    "empty pictures among others": [picture(), picture([SQUARE], [SQUARE], [0.5]), picture()],
    "the same object twice": [picture([SQUARE, SQUARE], [SQUARE, SQUARE, SQUARE], [0.9, 0.8, 0.7])],
    "one object reported three times": [picture([SQUARE], [SQUARE] * 3, [0.9, 0.9, 0.8])],
    "ties across pictures": [
        picture([SQUARE], [NEXT, SQUARE], [0.5, 0.5]),
        picture([SQUARE], [SQUARE, NEXT], [0.5, 0.5]),
    ],
    "a crowd takes many": [
        picture([(0, 0, 400, 400), SQUARE], [SQUARE, NEXT, (10, 10, 60, 60)], [0.9, 0.8, 0.7],
                crowd=[0])
    ],
    "only a crowd": [picture([(0, 0, 400, 400)], [SQUARE], [0.9], crowd=[0])],
    "an ignored object is taken once": [
        picture([SQUARE, NEXT], [SQUARE, SQUARE, NEXT], [0.9, 0.8, 0.7], ignored=[0])
    ],
    "what counts comes before what overlaps more": [
        picture([SQUARE, NEXT], [SQUARE], [0.9], ignored=[0])
    ],
    "a box without area": [picture([SQUARE], [(150, 150, 150, 180), SQUARE], [0.9, 0.8])],
    "an outline far smaller than its box": [picture([SQUARE], [SQUARE], [0.9], areas=[500.0])],
    "a small and a large one": [
        picture([(0, 0, 20, 20), (0, 0, 200, 200)],
                [(0, 0, 20, 22), (0, 0, 200, 190), (300, 300, 310, 310)], [0.9, 0.8, 0.95])
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_cases_agree_with_pycocotools(case: list[Picture]) -> None:
    np.testing.assert_allclose(average_precision(case), by_pycocotools(case), atol=1e-12)


# Few places, sizes and scores, so that boxes coincide, overlap and tie.
CORNERS = st.tuples(
    st.sampled_from([0, 10, 12, 50, 100]), st.sampled_from([0, 10, 60]),
    st.sampled_from([20, 32, 40, 96, 150]), st.sampled_from([20, 32, 34, 100]),
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))  # fmt: skip


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    there = draw(st.lists(CORNERS, max_size=5))
    found = draw(st.lists(st.tuples(CORNERS, st.sampled_from([0.1, 0.5, 0.9])), max_size=7))
    some = st.sets(st.integers(0, 4))
    return picture(
        there, [box for box, _ in found], [score for _, score in found],
        crowd=draw(some), ignored=draw(some),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@settings(max_examples=100, deadline=None)
@given(case=st.lists(pictures(), min_size=1, max_size=4))
def test_random_cases_agree_with_pycocotools(case: list[Picture]) -> None:
    np.testing.assert_allclose(average_precision(case), by_pycocotools(case), atol=1e-12)


def test_one_of_two_found_and_one_mistake_between_them_by_hand() -> None:
    case = [picture([SQUARE, (300, 300, 400, 400)], [SQUARE, (0, 0, 9, 9)], [0.9, 0.8])]
    # Precision is 1 up to a recall of .5, which 51 of the 101 recalls lie at or below.
    assert average_precision(case)[0, 0] == pytest.approx(51 / 101)


@settings(max_examples=50, deadline=None)
@given(case=st.lists(pictures(), min_size=1, max_size=4))
def test_finding_just_what_is_there_is_perfect(case: list[Picture]) -> None:
    plain = [picture(one.objects, one.objects, np.ones(len(one.objects))) for one in case]
    found = average_precision(plain)
    assert found.shape == (len(SIZES), 10)
    # By size not always: a box of another size takes an object of this one if it overlaps enough.
    assert np.all(np.isnan(found[0]) | np.isclose(found[0], 1.0))
