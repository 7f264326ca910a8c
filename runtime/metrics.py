"""Prometheus metrics. Their names are types: mypy refuses one that is not in these lists."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

CounterName = Literal[
    # Counter: records taken from the input topic. Labels: stage.
    "onehertz_records_taken_total",
    # Counter: records given to the output topic or table, by what they say. Labels: stage, status.
    "onehertz_records_given_total",
    # Counter: repeated deliveries that changed nothing. Labels: stage.
    "onehertz_repeats_total",
    # Counter: ticks that a producer's run should have had and that never came. Labels: stage.
    "onehertz_ticks_lost_total",
    # Counter: messages that went to the dead letters. Labels: stage, reason.
    "onehertz_dead_letters_total",
    # Counter: pictures that went through the engine; of a frame in tiles, each tile and the whole.
    # Labels: stage.
    "onehertz_inferences_total",
    # Counter: seconds spent working, not waiting; its rate is the role's busy share. Labels: stage.
    "onehertz_busy_seconds_total",
    # Counter: seconds spent waiting for a slow or absent downstream. Labels: stage.
    "onehertz_blocked_seconds_total",
    # Counter: assignments of partitions to this process. Labels: stage.
    "onehertz_rebalances_total",
    # Counter: transactions that were refused because another process owns the work. Labels: stage.
    "onehertz_fenced_total",
    # Counter: records that retention deleted before they were read. Labels: stage.
    "onehertz_expired_total",
    # Counter: ticks whose picture was given up, because the spool was full. Labels: stage.
    "onehertz_spool_full_total",
    # Counter: landed videos, by what became of them: done or aside. Labels: stage, status.
    "onehertz_landed_files_total",
    # Counter: frames whose signature was of no use, so that they were decoded. Labels: stage.
    "onehertz_signature_fallbacks_total",
    # Counter: frames whose luma is too busy for a signature: sent without. Labels: stage.
    "onehertz_signatures_left_out_total",
    # Counter: ticks at which something happened to the whole picture: moved, switched; or is the
    # matter with it: blind, frozen. Labels: stage, scene.
    "onehertz_scenes_total",
    # Counter: what the detector saw on a kept frame, come back to the gate: learnt, forgotten (the
    # camera's gate does not know the frame, any more or yet), unusable. Labels: result.
    "onehertz_gate_feedback_total",
    # Counter: frames whose result came later than `infer.p95_ms` after they were read: wanted is no
    # more than one in twenty. Labels: stage.
    "onehertz_objective_missed_total",
    # Counter: models that were loaded while another one served: swapped, refused. Labels: result.
    "onehertz_model_swaps_total",
    # Counter: alert changes. Labels: rule, change.
    "onehertz_alerts_total",
]
GaugeName = Literal[
    # Gauge: records between what is done and the end of the input topic; a transaction's marker at
    # the end counts as one. Labels: stage, partition.
    "onehertz_lag_records",
    # Gauge: inferences that the next batch is of at most; a frame's tiles count each. Labels:
    # stage.
    "onehertz_batch_size",
    # Gauge: 1 for the model that serves, 0 for those before; streams: images side by side, 0:
    # batches as one. Labels: model, backend, device, precision, threads, streams.
    "onehertz_model_info",
    # Gauge: ticks on a producer's disk that the broker has not. Labels: stage.
    "onehertz_spooled_ticks",
    # Gauge: cameras that this process has state of. Labels: stage.
    "onehertz_cameras",
]
HistogramName = Literal[
    # Histogram: seconds from the stage before to this one's output. Labels: stage.
    "onehertz_stage_latency_seconds",
    # Histogram: seconds from the producer taking a frame to its row or alert. Labels: stage.
    "onehertz_latency_seconds",
    # Histogram: frames in a batch, as a share of the largest batch. Labels: stage.
    "onehertz_batch_fill_ratio",
    # Histogram: seconds that one call of the engine takes. Labels: stage.
    "onehertz_inference_seconds",
    # Histogram: seconds that one checkpoint or database transaction takes. Labels: stage.
    "onehertz_commit_seconds",
]
MetricName = CounterName | GaugeName | HistogramName

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "onehertz_records_given_total": ("stage", "status"),
    "onehertz_landed_files_total": ("stage", "status"),
    "onehertz_dead_letters_total": ("stage", "reason"),
    "onehertz_gate_feedback_total": ("result",),
    "onehertz_model_swaps_total": ("result",),
    "onehertz_alerts_total": ("rule", "change"),
    "onehertz_scenes_total": ("stage", "scene"),
    "onehertz_lag_records": ("stage", "partition"),
    "onehertz_model_info": (
        "model",
        "backend",
        "device",
        "precision",
        "threads",
        "streams",
    ),
}
_LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SHARE = (0.125, 0.25, 0.5, 0.75, 0.9, 1)


class Metrics:
    """All metrics of one process, in a registry of its own."""

    def __init__(self, renamed: Mapping[str, str] = MappingProxyType({})) -> None:
        """`renamed`: stages that are told by another name, say a challenger's `infer`."""
        self._renamed = renamed
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # process_cpu_seconds_total and the like; Linux
        self._counters = {n: Counter(n, n, _labels(n), registry=self.registry) for n in _names(0)}
        self._gauges = {n: Gauge(n, n, _labels(n), registry=self.registry) for n in _names(1)}
        self._histograms = {
            n: Histogram(n, n, _labels(n), registry=self.registry, buckets=_buckets(n))
            for n in _names(2)
        }

        # Finding a metric's child by its labels takes 3.5 µs, several times per record; this, 0.7.
        self._children: dict[tuple[object, ...], Counter] = {}
        self._observed: dict[tuple[object, ...], Histogram] = {}
        self._levels: dict[tuple[object, ...], Gauge] = {}

    def count(self, name: CounterName, amount: float = 1, **labels: str) -> None:
        key = (name, *labels.items())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._counters[name].labels(**self._told(labels))
        child.inc(amount)

    def set(self, name: GaugeName, value: float, **labels: str) -> None:
        key = (name, *labels.items())
        child = self._levels.get(key)
        if child is None:
            child = self._levels[key] = self._gauges[name].labels(**self._told(labels))
        child.set(value)

    def observe(self, name: HistogramName, value: float, **labels: str) -> None:
        key = (name, *labels.items())
        child = self._observed.get(key)
        if child is None:
            child = self._observed[key] = self._histograms[name].labels(**self._told(labels))
        child.observe(value)

    def _told(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        if labels.get("stage") not in self._renamed:
            return labels
        return {**labels, "stage": self._renamed[labels["stage"]]}

    def observe_tick(
        self,
        stages: Mapping[str, tuple[int, int]],
        now_us: int,
        *,
        stage: str,
        before: str,
        is_last: bool = False,
    ) -> None:
        """How old a tick is at `stage`: since the stage `before` gave it and, where its way ends,
        since the producer took it. Nothing for a stage that `stages` (took, gave; µs) lacks.
        """
        if before in stages:
            age_s = (now_us - stages[before][1]) / 1e6
            self.observe("onehertz_stage_latency_seconds", age_s, stage=stage)
        if is_last and "produce" in stages:
            age_s = (now_us - stages["produce"][0]) / 1e6
            self.observe("onehertz_latency_seconds", age_s, stage=stage)


def _names(kind: int) -> tuple[str, ...]:
    return get_args((CounterName, GaugeName, HistogramName)[kind])


def _labels(name: str) -> tuple[str, ...]:
    return LABELS.get(name, ("stage",))


def _buckets(name: str) -> tuple[float, ...]:
    return _SHARE if name.endswith("_ratio") else _LATENCY_S
