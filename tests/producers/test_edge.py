"""The gate at the edge: what it decides, and what it does when a picture is lost on its way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.edge import NO_EDGE_GATES, EdgeGate, EdgeGates, References
from producers.encoder import Encoder
from producers.records import FROZEN, Recorder
from producers.role import live_outlet
from producers.settings import SpoolSettings
from producers.sources.base import Image, Picture, SourceError
from producers.sources.jpegs import jpeg_picture
from producers.spool import Spool
from runtime.context import Context
from runtime.health import Health
from runtime.kafka import KafkaSettings
from runtime.lifecycle import Stop
from runtime.metrics import Metrics
from runtime.topics import LineSettings
from schemas.messages import Captured, Missing, RawRecord, Unchanged, split_frame_id
from tests.producers.test_spool import tick
from tests.vision.scenes import picture
from vision.gate import Gate, GateRule
from vision.jpeg import decode_luma, encode_bgr, inspect
from vision.signature import luma_of

S = 1_000_000
START_US = 1_772_366_400 * S
RULE = GateRule(audit_rate=0.0)


def scene(number: int, size: tuple[int, int] = (160, 96)) -> Image:
    return picture(*size, seed=number)


def slightly_other(number: int) -> Image:
    noise = np.random.default_rng(number).normal(0, 1, (96, 160, 3))
    return np.asarray(np.clip(scene(number) + noise, 0, 255), np.uint8)


class Camera:
    """A camera that gates at the edge, tick by tick."""

    def __init__(self, rule: GateRule = RULE, encoder: Encoder | None = None) -> None:
        self.references = References()
        self.rule = rule
        self.encoder = encoder or Encoder()
        self.seq = 0
        self.begin()

    def begin(self) -> None:
        gate = EdgeGate("door", self.rule, self.references)
        self.recorder = Recorder("door", "run", START_US, S, self.encoder, lambda: 7, gate)

    def take(self, shown: Image | Picture | SourceError) -> RawRecord:
        self.seq += 1
        if isinstance(shown, SourceError):
            return self.recorder.record(self.seq, shown)
        if not isinstance(shown, Picture):
            shown = Picture(shown.shape[1], shown.shape[0], shown.copy)
        found = shown
        return self.recorder.record(self.seq, lambda: found)

    def lose(self, record: RawRecord) -> None:
        self.references.lose("door", record.captured_at_us)


def test_the_first_frame_is_kept_one_like_it_leaves_without_bytes_another_one_is_kept() -> None:
    camera = Camera()
    first, second, third = map(camera.take, (scene(1), slightly_other(1), scene(2)))
    assert isinstance(first, Captured)
    assert (first.because, first.score) == ("first", 0.0)
    assert isinstance(second, Unchanged)
    assert second.same_as == first.frame
    assert 0 < second.score <= RULE.threshold
    assert (second.seq, second.run, second.width, second.height) == (2, "run", 160, 96)
    assert second.stages == {"produce": (7, 7)}
    assert isinstance(third, Captured)
    assert third.because == "changed"
    assert third.score > RULE.threshold


def test_a_dropped_frame_is_not_even_encoded() -> None:
    class Counting(Encoder):
        def _to_jpeg(self, image: Image, quality: int) -> bytes:
            made.append(quality)
            return super()._to_jpeg(image, quality)

    made: list[int] = []
    camera = Camera(encoder=Counting())
    for _ in range(5):
        camera.take(scene(1))
    assert len(made) == 1


def test_a_cameras_own_jpeg_is_gated_by_the_luma_that_was_decoded_of_it_anyway() -> None:
    def never() -> Image:
        raise AssertionError

    def own(number: int) -> Picture:
        found = jpeg_picture(encode_bgr(scene(number), 90))
        return Picture(found.width, found.height, never, found.jpeg, found.luma)

    camera = Camera()
    kinds = [type(camera.take(own(number))) for number in (1, 1, 2, 2)]
    assert kinds == [Captured, Unchanged, Captured, Unchanged]


def test_it_decides_on_what_is_behind_the_mask() -> None:
    left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    camera = Camera(encoder=Encoder(masks=[left]))
    other = scene(1)
    other[:, :80] = scene(2)[:, :80]
    assert isinstance(camera.take(scene(1)), Captured)
    assert isinstance(camera.take(other), Unchanged)


def test_missing_ticks_move_nothing() -> None:
    camera = Camera()
    first = camera.take(scene(1))
    assert isinstance(camera.take(SourceError("stalled", "")), Missing)
    after = camera.take(slightly_other(1))
    assert isinstance(after, Unchanged)
    assert after.same_as == first.frame


def test_another_resolution_is_kept() -> None:
    camera = Camera()
    camera.take(scene(1, (640, 320)))
    half = camera.take(np.ascontiguousarray(scene(1, (640, 320))[::2, ::2]))
    assert isinstance(half, Captured)
    assert half.because == "changed"


def test_a_frozen_picture_is_missing_and_not_the_same_and_the_first_one_after_it_is_kept() -> None:
    camera = Camera(GateRule(audit_rate=0.0, frozen_us=20 * S))
    random = np.random.default_rng(2)

    def noisy() -> Image:
        noise = random.normal(0, 6, (96, 160, 3))
        return np.asarray(np.clip(scene(1) + noise, 0, 255), np.uint8)

    for _ in range(50):
        assert not isinstance(camera.take(noisy()), Missing)
    still = noisy()
    records = [camera.take(still) for _ in range(40)]
    frozen = [record for record in records if isinstance(record, Missing)]
    assert records[-len(frozen) :] == frozen
    assert len(frozen) == 20
    assert {(one.reason, one.detail) for one in frozen} == {("stalled", FROZEN)}
    assert isinstance(camera.take(noisy()), Captured)


def test_a_new_run_keeps_its_first_frame() -> None:
    camera = Camera()
    camera.take(scene(1))
    camera.begin()
    again = camera.take(scene(1))
    assert isinstance(again, Captured)
    assert again.because == "first"


def test_after_its_reference_was_lost_the_next_frame_is_kept() -> None:
    camera = Camera()
    lost = camera.take(scene(1))
    assert isinstance(camera.take(scene(1)), Unchanged)
    camera.lose(lost)
    after = camera.take(scene(1))
    assert isinstance(after, Captured)
    assert after.because == "first"
    same = camera.take(scene(1))
    assert isinstance(same, Unchanged)
    assert same.same_as == after.frame


def test_the_loss_of_an_older_picture_costs_nothing() -> None:
    camera = Camera()
    older = camera.take(scene(1))
    newer = camera.take(scene(2))
    camera.lose(older)
    same = camera.take(scene(2))
    assert isinstance(same, Unchanged)
    assert same.same_as == newer.frame


def test_a_frame_that_no_jpeg_can_be_made_of_is_no_reference() -> None:
    class Failing(Encoder):
        def _to_jpeg(self, image: Image, quality: int) -> bytes:
            if fails:
                raise SourceError("undecodable", "no JPEG")
            return super()._to_jpeg(image, quality)

    fails = False
    camera = Camera(encoder=Failing())
    first = camera.take(scene(1))
    fails = True
    assert isinstance(camera.take(scene(2)), Missing)
    same = camera.take(scene(1))
    assert isinstance(same, Unchanged)
    assert same.same_as == first.frame
    fails = False
    assert isinstance(camera.take(scene(2)), Captured)


def test_a_frame_that_is_made_smaller_to_fit_is_no_other_scene() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    camera = Camera(encoder=Encoder(max_bytes=10_000))
    first = camera.take(noise)
    assert isinstance(first, Captured)
    assert first.width < 640
    assert isinstance(camera.take(noise), Unchanged)


def test_its_decisions_are_those_of_the_servers_gate_on_the_same_lumas() -> None:
    rule = GateRule(audit_rate=0.2, refresh_us=7 * S)
    images = [slightly_other(n % 5 // 2) for n in range(40)]
    camera, server = Camera(rule), Gate(rule)
    for image in images:
        record = camera.take(image)
        wanted = server.decide(luma_of(image), record.frame, record.captured_at_us)
        found = record.because if isinstance(record, Captured) else None
        assert found == wanted.because
        assert isinstance(record, Captured | Unchanged)
        assert record.score == wanted.score


def test_a_passed_on_jpegs_luma_is_what_the_server_decodes_of_it() -> None:
    rule = GateRule(audit_rate=0.1)
    camera, server = Camera(rule), Gate(rule)
    for number in (1, 1, 2, 2, 1, 3, 3):
        data = encode_bgr(slightly_other(number), 88)
        record = camera.take(jpeg_picture(data))
        luma = decode_luma(data, inspect(data))
        wanted = server.decide(luma, record.frame, record.captured_at_us)
        assert isinstance(record, Captured | Unchanged)
        assert (record.score, record.status == "captured") == (wanted.score, wanted.kept)


EVENTS = st.lists(
    st.sampled_from(["frame", "frame", "frame", "other", "missing", "lose", "anew"]), max_size=40
)


@given(EVENTS)
@settings(max_examples=60)
def test_nothing_ever_refers_to_what_was_lost_or_not_sent(events: list[str]) -> None:
    camera = Camera(GateRule(audit_rate=0.1, refresh_us=9 * S))
    shown, there, last = 1, set(), None
    for event in events:
        if event == "anew":
            camera.begin()
        elif event == "lose":
            if last is not None:
                camera.lose(last)
                there.discard(last.frame)
        elif event == "missing":
            assert isinstance(camera.take(SourceError("stalled", "")), Missing)
        else:
            shown += event == "other"
            record = camera.take(slightly_other(shown))
            if isinstance(record, Captured):
                last = record
                there.add(record.frame)
            else:
                assert isinstance(record, Unchanged)
                assert record.same_as in there
                _, reference_us = split_frame_id(record.same_as)
                assert record.captured_at_us - reference_us < 9 * S


def test_the_spool_tells_the_gate_what_it_gave_up(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10_000_000)
    old = tick("door", 0)  # from months ago
    spool.append([old])
    spool.close()
    references = References()
    references.refer("door", old.captured_us)
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    context = Context(nowhere, LineSettings(), Stop(), Metrics(), Health(60.0))
    with live_outlet(context, SpoolSettings(path=tmp_path), references) as outlet:
        outlet.serve()
    assert not references.holds("door", old.captured_us)


@pytest.mark.parametrize(
    ("rule", "where", "gated"),
    [(RULE, "edge", True), (RULE, "server", False), (RULE, "off", False), (None, "edge", False)],
)
def test_a_gate_is_where_the_settings_have_it(
    rule: GateRule | None, where: str, gated: bool
) -> None:
    gates = EdgeGates(rule, References())
    assert (gates.begin("door", where) is not None) is gated  # type: ignore[arg-type] # literals
    assert NO_EDGE_GATES.begin("door", "edge") is None
