"""A live camera that gates at the edge; in an outage its pictures grow too old to be kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from onehertz.look import Span, messages
from runtime.kafka import received
from schemas.codec import decode_raw
from schemas.messages import Captured, Missing, RawRecord, Unchanged
from tests.faults.test_live_uplink import picture
from tests.fixtures.servers import Servers
from tests.harness.line import open_line
from tests.harness.proxy import Proxy
from tests.producers.live.http_camera import HttpCamera
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

INTERVAL_S = 0.2
REFRESH_S = 2.0
KEPT_FOR_S = 1.5  # on disk: so references are lost before their time


def test_nothing_refers_to_a_picture_that_was_given_up_on_its_way(
    servers: Servers, tmp_path: Path
) -> None:
    with HttpCamera() as http, Proxy(servers.bootstrap_servers) as proxy:
        http.answer = picture()
        source = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg"}
        overrides = {
            "cameras": {"door": {"source": source, "interval_s": INTERVAL_S, "gate": "edge"}},
            "gate": {"refresh_s": REFRESH_S},
            # So that what is sent and not acknowledged is little, and the rest is on disk.
            "kafka": {"bootstrap_servers": proxy.address, "send_buffer_bytes": 1024 * 1024},
            "produce": {"spool": {"path": str(tmp_path / "spool"), "max_age_s": KEPT_FOR_S}},
        }
        with open_line(servers, tmp_path, 0, overrides) as line:
            line.start("produce")

            def metric(name: str) -> float:
                return line.processes["produce-1"].metrics().get(name, -1.0)

            eventually(lambda: metric("onehertz_records_given_total") >= 20, 60, why="it ticks")
            proxy.refuse()
            proxy.cut()
            eventually(lambda: metric("onehertz_spool_full_total") >= 4, 60, why="some are lost")
            proxy.accept()
            eventually(lambda: metric("onehertz_spooled_ticks") == 0, 60, why="all is sent")
            line.terminate_all()
            straight = line.settings.kafka.model_copy(
                update={"bootstrap_servers": servers.bootstrap_servers}
            )
            span = Span(from_beginning=True, follow=False)
            topic, partitions = line.topic("frames-raw"), line.settings.line.partitions
            found: dict[int, RawRecord] = {}
            for message in messages(straight, topic, partitions, span):
                record = decode_raw(received(message))
                found.setdefault(record.seq, record)
    assert list(found) == list(range(len(found)))
    assert len({record.run for record in found.values()}) == 1
    sent: set[str] = set()
    for record in found.values():
        if isinstance(record, Captured):
            sent.add(record.frame)
        elif isinstance(record, Unchanged):
            assert record.same_as in sent
    reasons = [record.because for record in found.values() if isinstance(record, Captured)]
    assert reasons[0] == "first"
    assert "refresh" in reasons
    lost = Counter(record.reason for record in found.values() if isinstance(record, Missing))
    assert lost["spool-full"] >= 4
    assert lost.total() - lost["spool-full"] <= 0.1 * len(found)  # of a machine that others load
    assert sum(isinstance(record, Unchanged) for record in found.values()) > len(found) / 3
