"""Whether what always holds, holds: judged from the topics and tables alone.

No stage's counter is believed. Kafka's committed offsets are asked for one thing only: whether a
tick that is not there yet is still on its way (`in_flight`) or was passed by (`lost`).

    reading.py, draining.py, tables.py   what the topics and tables say
    facts.py                             the little of it that is remembered, by tick
    raw.py, gated.py, results.py, rows.py, letters.py, alerts.py   judgement: pure, fact by fact
    partition.py, line.py                one partition, then all of them

A camera's ticks have one partition number on every topic, so partitions are judged one after the
other. Remembered at a time: about 1.5 kB per tick of one partition, whatever its pictures weigh.
What is older than a topic's beginning (retention, or `last_hours`) is not judged.
"""

from onehertz.verify.findings import Finding, Findings, Kind
from onehertz.verify.line import verify_line
from onehertz.verify.report import Report

__all__ = ["Finding", "Findings", "Kind", "Report", "verify_line"]
