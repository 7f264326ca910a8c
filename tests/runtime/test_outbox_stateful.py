"""Any interleaving of work, checkpoints, crashes, moves and sleeping owners: nothing lost or twice.

The broker is a model whose transactions are atomic and fenced; tests/runtime/test_transactions.py
holds the real one to that. Outbox and recovery are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.outbox import Batch, Outbox, Output
from runtime.recovery import Left, taken_over
from schemas.codec import Wire
from schemas.messages import Snapshot

PARTITIONS = range(2)
PROCESSES = range(2)
CAMERAS = ("north", "south", "east")
SNAPSHOTS_EVERY_S = 5.0


class Input(NamedTuple):
    """`counts` moves its camera's state and gives an output; `dead` gives a dead letter alone."""

    camera: str
    counts: bool
    dead: bool


def outputs_of(one: Input, offset: int, state: int) -> list[Output]:
    """What comes of an input when its camera's state is `state` afterwards."""
    found = []
    if one.counts:
        found.append(Output("out", 0, Wire(one.camera.encode(), b"%d %d" % (offset, state), [])))
    if one.dead:
        found.append(Output("dlq", 0, Wire(one.camera.encode(), b"%d" % offset, [])))
    return found


@dataclass
class Partition:
    """What the broker holds of one partition."""

    inputs: list[Input] = field(default_factory=list)
    committed: int | None = None
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    outputs: list[bytes] = field(default_factory=list)
    topic_id: str = "0"
    from_before: int = 0  # outputs that came of an input of this name that was deleted since
    dead: list[int] = field(default_factory=list)
    feedback: list[str] = field(default_factory=list)  # the second input: cameras
    feedback_committed: int = 0
    feedback_made_anew: int = 0  # where it stood when the input was made anew
    forgotten: set[int] = field(default_factory=set)  # feedback that came before its camera
    owner: int | None = None  # by the group's present generation

    def replayed(self, until: int) -> dict[str, int]:
        """The cameras' states after all input before `until`."""
        states: dict[str, int] = {}
        for one in self.inputs[:until]:
            if one.counts:
                states[one.camera] = states.get(one.camera, 0) + 1
        return states

    def expected_outputs(self) -> list[bytes]:
        states: dict[str, int] = {}
        found = []
        for offset, one in enumerate(self.inputs):
            if one.counts:
                states[one.camera] = states.get(one.camera, 0) + 1
                found += [o.wire.value for o in outputs_of(one, offset, states[one.camera])][:1]
        return found


class Process:
    """A stage whose state of a camera is how many of its inputs have counted.

    And which feedback it has learnt, by offset.
    """

    def __init__(self) -> None:
        self.outbox = Outbox(SNAPSHOTS_EVERY_S)
        self.states: dict[tuple[int, str], int] = {}
        self.learnt: dict[tuple[int, str], tuple[int, ...]] = {}
        self.at: dict[int, int] = {}  # the next input to read
        self.feedback_at: dict[int, int] = {}

    def own(self, number: int, broker: Partition) -> None:
        newest = int(broker.outputs[-1].split()[0]) if broker.outputs else -1
        left = Left(0, len(broker.inputs), broker.committed, broker.snapshots, newest)
        taken = taken_over(left, broker.topic_id)
        self.forget(number)
        for camera, state in taken.states.items():
            count, *learnt = map(int, state.split())
            self.states[number, camera] = count
            self.learnt[number, camera] = tuple(learnt)
        self.at[number] = taken.start
        self.feedback_at[number] = start = broker.feedback_committed
        self.outbox.own(number, start=taken.start, published_to=taken.published_to, feedback=start)

    def forget(self, number: int) -> None:
        self.outbox.disown(number)
        self.at.pop(number, None)
        self.states = {key: s for key, s in self.states.items() if key[0] != number}
        self.learnt = {key: s for key, s in self.learnt.items() if key[0] != number}

    def forget_all(self) -> None:
        self.outbox.disown_all()
        self.at.clear()
        self.states.clear()
        self.learnt.clear()

    def learn(self, number: int, broker: Partition) -> None:
        offset = self.feedback_at[number]
        assert self.outbox.expects_feedback(number, offset)
        key = (number, broker.feedback[offset])
        is_known = key in self.states
        if is_known:
            self.learnt[key] = (*self.learnt.get(key, ()), offset)
        else:
            broker.forgotten.add(offset)
        self.outbox.add_feedback(number, offset, key[1] if is_known else None)
        self.feedback_at[number] += 1

    def work(self, number: int, one: Input) -> None:
        offset = self.at[number]
        assert self.outbox.expects(number, offset)
        key = (number, one.camera)
        if one.counts:
            self.states[key] = self.states.get(key, 0) + 1
        outputs = outputs_of(one, offset, self.states.get(key, 0))
        outputs = [output._replace(partition=number) for output in outputs]
        self.outbox.add(number, offset, one.camera if one.counts else None, outputs)
        self.at[number] += 1

    def snapshot(self, camera: str, number: int, offset: int) -> Output:
        key = (number, camera)
        told = " ".join(map(str, (offset, self.states[key], *self.learnt.get(key, ()))))
        return Output("state", number, Wire(camera.encode(), told.encode(), []))


class AnyInterleaving(RuleBasedStateMachine):
    """The line around one stage: two processes over two partitions."""

    @initialize()
    def start(self) -> None:
        self.now_s = 0.0
        self.broker = {number: Partition() for number in PARTITIONS}
        self.processes = {name: Process() for name in PROCESSES}
        for number in PARTITIONS:
            self.move(number, 0)

    @rule(
        number=st.sampled_from(PARTITIONS),
        arriving=st.lists(
            st.builds(Input, st.sampled_from(CAMERAS), st.booleans(), st.booleans()), min_size=1
        ),
    )
    def inputs_arrive(self, number: int, arriving: list[Input]) -> None:
        self.broker[number].inputs += arriving

    @rule(name=st.sampled_from(PROCESSES), number=st.sampled_from(PARTITIONS), n=st.integers(1, 8))
    def a_process_works(self, name: int, number: int, n: int) -> None:
        """Also one that does not know yet that the partition has moved."""
        process, inputs = self.processes[name], self.broker[number].inputs
        for _ in range(n):
            if number in process.at and process.at[number] < len(inputs):
                process.work(number, inputs[process.at[number]])

    @rule(number=st.sampled_from(PARTITIONS), cameras=st.lists(st.sampled_from(CAMERAS)))
    def feedback_arrives(self, number: int, cameras: list[str]) -> None:
        self.broker[number].feedback += cameras

    @rule(name=st.sampled_from(PROCESSES), number=st.sampled_from(PARTITIONS), n=st.integers(1, 4))
    def a_process_learns(self, name: int, number: int, n: int) -> None:
        process, broker = self.processes[name], self.broker[number]
        for _ in range(n):
            if number in process.at and process.feedback_at[number] < len(broker.feedback):
                process.learn(number, broker)

    @rule(name=st.sampled_from(PROCESSES), final=st.booleans(), passed_s=st.sampled_from([0.2, 6]))
    def a_process_makes_a_checkpoint(self, name: int, final: bool, passed_s: float) -> None:
        self.now_s += passed_s
        process = self.processes[name]
        batch = process.outbox.take(self.now_s, process.snapshot, final=final)
        if batch is not None and not self.commit(name, batch):
            process.forget_all()

    @rule(
        name=st.sampled_from(PROCESSES),
        number=st.sampled_from(PARTITIONS),
        rounds=st.integers(1, 4),
    )
    def a_process_goes_on_for_a_while(self, name: int, number: int, rounds: int) -> None:
        """The usual thing: a little work, and out with it, rarely with snapshots."""
        for _ in range(rounds):
            self.inputs_arrive(number, [Input("north", counts=True, dead=False)])
            self.a_process_works(name, number, 2)
            self.feedback_arrives(number, ["north"])
            self.a_process_learns(name, number, 1)
            self.a_process_makes_a_checkpoint(name, final=False, passed_s=0.2)

    @rule(name=st.sampled_from(PROCESSES), fate=st.sampled_from(["before", "after"]))
    def a_process_dies_at_its_commit(self, name: int, fate: str) -> None:
        process = self.processes[name]
        batch = process.outbox.take(self.now_s, process.snapshot)
        if batch is not None and fate == "after":
            self.commit(name, batch)
        self.processes[name] = Process()
        self.take_back(name)

    @rule(number=st.sampled_from(PARTITIONS), to=st.sampled_from(PROCESSES), told=st.booleans())
    def a_partition_moves(self, number: int, to: int, told: bool) -> None:
        """With a last checkpoint of its owner, or while that one sleeps."""
        before = self.broker[number].owner
        if told and before is not None and before != to:
            self.a_process_makes_a_checkpoint(before, final=True, passed_s=0.2)
            self.processes[before].forget(number)
        self.move(number, to)

    @rule(name=st.sampled_from(PROCESSES))
    def a_process_that_was_refused_joins_again(self, name: int) -> None:
        if not self.processes[name].at:
            self.take_back(name)

    @rule(number=st.sampled_from(PARTITIONS))
    def the_input_is_deleted_and_made_anew(self, number: int) -> None:
        """Its offsets are forgotten with it; snapshots and outputs of before are still there."""
        broker = self.broker[number]
        broker.inputs, broker.committed, broker.dead = [], None, []
        broker.topic_id += "0"
        broker.from_before = len(broker.outputs)
        broker.feedback_made_anew = broker.feedback_committed
        for process in self.processes.values():
            process.forget(number)
        self.move(number, broker.owner or 0)

    @invariant()
    def what_is_published_is_what_had_to_come_once_and_in_order(self) -> None:
        for broker in getattr(self, "broker", {}).values():
            new = broker.outputs[broker.from_before :]
            assert new == broker.expected_outputs()[: len(new)]

    @invariant()
    def snapshots_and_offset_belong_together(self) -> None:
        for broker in getattr(self, "broker", {}).values():
            current = {c: s for c, s in broker.snapshots.items() if s.topic_id == broker.topic_id}
            states = {camera: int(s.state.split()[0]) for camera, s in current.items()}
            assert states == broker.replayed(broker.committed or 0)

    @invariant()
    def feedback_is_learnt_once_by_the_state_that_its_offset_belongs_to(self) -> None:
        for broker in getattr(self, "broker", {}).values():
            for camera, snapshot in broker.snapshots.items():
                if snapshot.topic_id != broker.topic_id:
                    continue
                learnt = list(map(int, snapshot.state.split()[1:]))
                assert learnt == sorted(set(learnt))
                seen = range(broker.feedback_made_anew, broker.feedback_committed)
                mine = {offset for offset in seen if broker.feedback[offset] == camera}
                assert set(learnt) <= mine
                assert mine - set(learnt) <= broker.forgotten

    def teardown(self) -> None:
        """In the end everything is out: once, in order; dead letters at least once."""
        for number, broker in getattr(self, "broker", {}).items():
            self.processes[0] = Process()
            self.move(number, 0)
            self.a_process_works(0, number, len(broker.inputs))
            self.a_process_makes_a_checkpoint(0, final=True, passed_s=6)
            assert broker.outputs[broker.from_before :] == broker.expected_outputs()
            assert set(broker.dead) == {n for n, one in enumerate(broker.inputs) if one.dead}

    # ------------------------------------------------------------ the broker

    def move(self, number: int, to: int) -> None:
        self.broker[number].owner = to
        self.processes[to].own(number, self.broker[number])

    def take_back(self, name: int) -> None:
        for number, broker in self.broker.items():
            if broker.owner == name:
                self.processes[name].own(number, broker)

    def commit(self, name: int, batch: Batch) -> bool:
        """All or nothing; nothing from one that does not own every partition that it names."""
        if any(self.broker[number].owner != name for number in batch.offsets):
            return False
        for number, offset in batch.offsets.items():
            self.broker[number].committed = offset
        for number, offset in batch.feedback.items():
            self.broker[number].feedback_committed = offset
        for topic, number, wire in batch.outputs:
            broker = self.broker[number]
            camera = wire.key.decode()
            if topic == "out":
                broker.outputs.append(wire.value)
            elif topic == "dlq":
                broker.dead.append(int(wire.value))
            else:
                offset_text, _, state = wire.value.partition(b" ")
                broker.snapshots[camera] = Snapshot(
                    camera=camera,
                    stage="test",
                    topic="in",
                    topic_id=broker.topic_id,
                    partition=number,
                    offset=int(offset_text),
                    state=state,
                )
        return True


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=100, stateful_step_count=40)
