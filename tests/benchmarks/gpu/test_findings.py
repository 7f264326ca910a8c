"""docs/gpu.md says of real hardware what files of results say, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.gpu import findings
from benchmarks.gpu.__main__ import write_document
from benchmarks.gpu.claims import CLAIMS, ELSEWHERE
from benchmarks.gpu.findings import Finding, Host, Results
from runtime.errors import UserError

HOST = Host(
    machine="x86_64", gpu="NVIDIA L4", compute_capability="8.9", driver="580.1", cuda="13.0",
    tensorrt="10.3.0",
)  # fmt: skip
FAKE = Host(
    machine="x86_64", gpu="Fake", compute_capability="8.9", driver="", cuda="13.0",
    tensorrt="10.3.0", is_fake=True,
)  # fmt: skip


def found(claim: str, *, passed: bool = True, figure: str = "1.02 times") -> Finding:
    return Finding(claim=claim, passed=passed, figure=figure, at="2026-12-01T10:00:00+00:00")


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_document_says_what_the_results_say_and_no_more():
    text = findings.DOCUMENT.read_text(encoding="utf-8")
    assert findings.put_into(text, findings.read_all()) == text


def test_without_results_every_row_says_not_yet():
    table = rows(findings.table([]))
    assert len(table) == len(CLAIMS) + len(ELSEWHERE)
    assert all(row.endswith("| not yet |") for row in table)


def test_a_finding_is_in_the_table_with_host_date_and_figure():
    table = rows(findings.table([Results(host=HOST, findings=(found("throughput"),))]))
    where = "NVIDIA L4, driver 580.1, CUDA 13.0, TensorRT 10.3.0"
    (row,) = [one for one in table if where in one]
    assert row.startswith(f"| {CLAIMS['throughput']} |")
    assert row.endswith("| 2026-12-01 | 1.02 times |")
    assert sum(one.endswith("| not yet |") for one in table) == len(table) - 1


def test_what_failed_is_said_to_have_failed():
    results = Results(host=HOST, findings=(found("memory", passed=False),))
    assert "**failed**: 1.02 times" in findings.table([results])


def test_a_fake_gpu_is_in_no_table_and_among_no_results():
    results = Results(host=FAKE, findings=tuple(map(found, CLAIMS)))
    assert findings.table([results]) == findings.table([])
    with pytest.raises(UserError, match="a fake GPU proves nothing"):
        findings.keep([found("memory")], FAKE)
    assert not any(one.host.is_fake for one in findings.read_all())


def test_a_later_run_of_a_machine_replaces_what_it_ran_and_nothing_else(tmp_path: Path):
    findings.keep([found("memory"), found("energy")], HOST, tmp_path)
    path = findings.keep([found("memory", figure="grown")], HOST, tmp_path)
    assert path.name == "nvidia-l4-tensorrt-10.3.0.json"
    (results,) = findings.read_all(tmp_path)
    assert {one.claim: one.figure for one in results.findings} == {
        "memory": "grown",
        "energy": "1.02 times",
    }


def test_a_claim_that_there_is_none_of_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="by the name speed"):
        findings.keep([found("speed")], HOST, tmp_path)


def test_a_file_that_is_no_result_is_named(tmp_path: Path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UserError, match=r"a\.json: is no file of results"):
        findings.read_all(tmp_path)


def test_the_table_is_put_between_its_marks_and_the_rest_stays(tmp_path: Path):
    document = tmp_path / "gpu.md"
    document.write_text(f"before\n{findings.BEGIN}\nold\n{findings.END}\nafter\n")
    findings.keep([found("build")], HOST, tmp_path / "results")
    write_document(tmp_path / "results", document)
    text = document.read_text()
    assert re.match(r"before\n<!--.*NVIDIA L4.*-->\nafter\n$", text, re.DOTALL)
    assert "old" not in text
    with pytest.raises(UserError, match="must stand in it"):
        findings.put_into("nothing", [])
