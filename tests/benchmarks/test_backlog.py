"""The backlog's records are ones that the stages take, and the same in every process."""

from collections import Counter
from datetime import UTC, datetime

from benchmarks.method import backlog
from schemas.codec import Received, decode_gated, decode_raw, decode_result, encode_frame
from schemas.messages import Inferred, Unchanged

BEGAN_AT = datetime(2026, 1, 1, tzinfo=UTC)
JPEGS = [b"picture %d" % number for number in range(64)]


def test_a_hundred_cameras_take_their_turns() -> None:
    records = list(backlog.captured(JPEGS, 250, BEGAN_AT))
    assert Counter(Counter(record.camera for record in records).values()) == {3: 50, 2: 50}
    last = records[-1]
    assert (last.camera, last.seq, last.captured_at.second) == ("cam049", 2, 2)


def test_a_camera_shows_one_street_over_and_over() -> None:
    records = backlog.captured(JPEGS, 1700, BEGAN_AT)
    shown = [record.jpeg for record in records if record.camera == "cam001"]
    assert shown == [JPEGS[8 + tick % 8] for tick in range(17)]


def test_every_record_can_be_read() -> None:
    for captured in backlog.captured(JPEGS, 3, BEGAN_AT):
        assert decode_raw(Received(*encode_frame(captured, "produce"))).frame == captured.frame
    for kept in backlog.kept(JPEGS, 3, BEGAN_AT):
        assert decode_gated(Received(*encode_frame(kept, "gate"))).frame == kept.frame
    for result in backlog.results(500, BEGAN_AT):
        assert decode_result(Received(*encode_frame(result, "infer"))).frame == result.frame


def test_a_third_of_the_results_is_inferred_and_the_others_are_the_same_as_those() -> None:
    inferred: set[str] = set()
    kinds = Counter[type]()
    for record in backlog.results(900, BEGAN_AT):
        kinds[type(record)] += 1
        if isinstance(record, Unchanged):
            assert record.same_as in inferred
        else:
            inferred.add(record.frame)
    assert kinds == {Inferred: 300, Unchanged: 600}


def test_the_same_backlog_comes_out_every_time() -> None:
    assert list(backlog.results(300, BEGAN_AT)) == list(backlog.results(300, BEGAN_AT))


def test_pictures_are_of_thirty_kilobytes_on_the_mean() -> None:
    jpegs = backlog.pictures()
    assert len(jpegs) == len(set(jpegs)) == 64
    assert abs(sum(map(len, jpegs)) / 64 - 30_000) < 3_500
