"""The outage that is appended and drained as fast as it goes."""

from pathlib import Path

from benchmarks.spool import outage
from producers.spool import Spool


def test_an_outage_is_appended_and_drained_whole(tmp_path: Path) -> None:
    said: list[str] = []
    outage(tmp_path, 300, said.append)
    assert said[0].startswith("300 ticks appended in ")
    assert " GB on disk" in said[0]
    assert said[1].endswith(", 0.00 GB left on disk")
    spool = Spool(tmp_path, 10**9)
    assert spool.rows == 0
    spool.close()
