"""`make bench`: what each stage costs, next to the least that the same work could cost.

python -m benchmarks [NAME ...] [--rounds N] [--quick]     measure; docs/benchmarks.md says how
python -m benchmarks --report                              the table in docs/benchmarks.md
python -m benchmarks --hour                                an hour's outage on disk, once

gate.py stock.py decision.py restore.py infer.py engines.py postprocess.py sql.py alerts.py
produce.py live.py publish.py spool.py codec.py latency.py
           one benchmark each
bare/      the loops that the roles are compared with, each run as a process of its own
method/    pairing and statistics, metering a process, backlogs, the servers, results
"""
