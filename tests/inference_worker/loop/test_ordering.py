"""Per-camera order and commit offsets, whatever completes when."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inference_worker.loop.ordering import CameraOrder, Ticket


def names(ready: list[tuple[Ticket, str]]) -> list[str]:
    return [result for _, result in ready]


def test_a_result_waits_for_its_own_cameras_earlier_frames_only():
    order: CameraOrder[str] = CameraOrder()
    yard_kept = order.admit(0, 10, "yard")
    yard_unchanged = order.admit(0, 11, "yard")
    gate_missing = order.admit(0, 12, "gate")
    assert order.complete(yard_unchanged, "unchanged") == []
    assert names(order.complete(gate_missing, "missing")) == ["missing"]
    assert names(order.complete(yard_kept, "inferred")) == ["inferred", "unchanged"]


def test_an_offset_may_be_committed_once_all_before_it_are_acknowledged():
    order: CameraOrder[str] = CameraOrder()
    first, second, third = (order.admit(3, offset, f"cam{offset}") for offset in (5, 6, 9))
    assert order.commit_offset(3) is None
    for ticket in (third, second, first):
        order.complete(ticket, "x")
    assert order.commit_offset(3) is None  # published is not acknowledged
    order.acknowledge(third)
    assert order.commit_offset(3) is None
    order.acknowledge(first)
    assert order.commit_offset(3) == 6
    order.acknowledge(second)
    assert order.commit_offset(3) == 10  # across the gap
    assert len(order) == 0


def test_what_arrives_for_a_revoked_partition_is_ignored():
    order: CameraOrder[str] = CameraOrder()
    running = order.admit(0, 10, "yard")
    sent = order.admit(0, 11, "gate")
    other = order.admit(1, 10, "door")
    order.complete(sent, "x")
    order.revoke(0)
    assert order.commit_offset(0) is None
    assert order.complete(running, "x") == []
    order.acknowledge(sent)
    assert order.commit_offset(0) is None
    assert names(order.complete(other, "still here")) == ["still here"]


def test_a_ticket_of_an_earlier_assignment_counts_for_nothing_in_the_next():
    order: CameraOrder[str] = CameraOrder()
    stale = order.admit(0, 10, "yard")
    order.complete(stale, "old")
    order.revoke(0)
    again = order.admit(0, 10, "yard")
    order.acknowledge(stale)
    assert order.complete(stale, "old") == []
    assert order.commit_offset(0) is None
    assert names(order.complete(again, "new")) == ["new"]
    order.acknowledge(again)
    assert order.commit_offset(0) == 11


def test_misuse_is_refused():
    order: CameraOrder[str] = CameraOrder()
    ticket = order.admit(0, 10, "yard")
    with pytest.raises(ValueError, match="offset 10 came after 10"):
        order.admit(0, 10, "yard")
    with pytest.raises(ValueError, match="not waiting for an acknowledgement"):
        order.acknowledge(ticket)
    order.complete(ticket, "x")
    with pytest.raises(ValueError, match="complete already"):
        order.complete(ticket, "x")
    order.acknowledge(ticket)
    with pytest.raises(ValueError, match="not waiting for an acknowledgement"):
        order.acknowledge(ticket)


class AnyInterleaving(RuleBasedStateMachine):
    """Records of three cameras on each of two partitions, completed and acknowledged at will.

    The machine keeps its own books, as plainly as it can: lists of offsets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.order: CameraOrder[int] = CameraOrder()
        self.next_offset = {0: 0, 1: 0}
        self.pending: list[Ticket] = []
        self.unacknowledged: list[Ticket] = []
        self.stale: list[Ticket] = []
        self.admitted: dict[int, list[Ticket]] = {0: [], 1: []}
        self.emitted: dict[int, list[Ticket]] = {0: [], 1: []}
        self.acknowledged: dict[int, set[int]] = {0: set(), 1: set()}

    @rule(partition=st.integers(0, 1), camera=st.integers(0, 2), gap=st.integers(0, 2))
    def admit(self, partition: int, camera: int, gap: int) -> None:
        offset = self.next_offset[partition] + gap
        self.next_offset[partition] = offset + 1
        ticket = self.order.admit(partition, offset, f"cam{partition}{camera}")
        self.admitted[partition].append(ticket)
        self.pending.append(ticket)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.pending) - 1))
        self._complete(self.pending.pop(index))

    @precondition(lambda self: self.unacknowledged)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.unacknowledged) - 1))
        self._acknowledge(self.unacknowledged.pop(index))

    @rule(partition=st.integers(0, 1), back=st.integers(0, 5))
    def revoke_and_read_again(self, partition: int, back: int) -> None:
        self.order.revoke(partition)
        mine = [*self.pending, *self.unacknowledged]
        self.stale += [ticket for ticket in mine if ticket.partition == partition]
        self.pending = [t for t in self.pending if t.partition != partition]
        self.unacknowledged = [t for t in self.unacknowledged if t.partition != partition]
        self.admitted[partition], self.emitted[partition] = [], []
        self.acknowledged[partition] = set()
        self.next_offset[partition] = max(0, self.next_offset[partition] - back)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def something_stale_arrives(self, data: st.DataObject) -> None:
        ticket = self.stale[data.draw(st.integers(0, len(self.stale) - 1))]
        assert self.order.complete(ticket, -1) == []
        self.order.acknowledge(ticket)

    @invariant()
    def each_camera_is_in_order_and_nothing_leaves_twice(self) -> None:
        for partition, emitted in self.emitted.items():
            for camera in {ticket.camera for ticket in emitted}:
                offsets = [t.offset for t in emitted if t.camera == camera]
                first = [t.offset for t in self.admitted[partition] if t.camera == camera]
                assert offsets == first[: len(offsets)]

    @invariant()
    def nothing_is_held_back_without_a_reason(self) -> None:
        pending = {(t.partition, t.offset) for t in self.pending}
        for partition, admitted in self.admitted.items():
            blocked: set[str] = set()
            for ticket in admitted:
                if (partition, ticket.offset) in pending:
                    blocked.add(ticket.camera)
                elif ticket.camera not in blocked:
                    assert ticket in self.emitted[partition]

    @invariant()
    def the_commit_offset_stops_at_the_first_unfinished_record(self) -> None:
        for partition, admitted in self.admitted.items():
            expected = None
            for ticket in admitted:
                if ticket.offset not in self.acknowledged[partition]:
                    break
                expected = ticket.offset + 1
            assert self.order.commit_offset(partition) == expected

    def teardown(self) -> None:
        while self.pending:
            self._complete(self.pending.pop())
        while self.unacknowledged:
            self._acknowledge(self.unacknowledged.pop())
        for partition, admitted in self.admitted.items():
            assert sorted(t.offset for t in self.emitted[partition]) == [t.offset for t in admitted]
            if admitted:
                assert self.order.commit_offset(partition) == admitted[-1].offset + 1
        assert len(self.order) == 0

    def _complete(self, ticket: Ticket) -> None:
        for ready, result in self.order.complete(ticket, ticket.offset):
            assert result == ready.offset
            self.emitted[ready.partition].append(ready)
            self.unacknowledged.append(ready)

    def _acknowledge(self, ticket: Ticket) -> None:
        self.order.acknowledge(ticket)
        self.acknowledged[ticket.partition].add(ticket.offset)


AnyInterleaving.TestCase.settings = settings(max_examples=60)
TestAnyInterleaving = AnyInterleaving.TestCase
