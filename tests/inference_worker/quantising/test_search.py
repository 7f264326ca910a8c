"""What must stay float is found by trying."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.quantising.search import Trial, groups_of, settle

NODES = [f"n{number}" for number in range(24)]


class Model:
    """Each node that is INT8 costs something; more than 1 in all is refused."""

    def __init__(self, **costs: float) -> None:
        self.costs, self.tried = costs, 0

    def __call__(self, nodes: Sequence[str]) -> Trial:
        self.tried += 1
        loss = sum(self.costs.get(node, 0.01) for node in nodes)
        return Trial(loss, "too far off" if loss > 1 else "")


def never() -> bool:
    return False


def test_a_model_that_bears_it_is_quantised_whole():
    model = Model()
    nodes, trial = settle(NODES, model, never)
    assert nodes == NODES
    assert not trial.complaint
    assert model.tried == 1


def test_the_groups_that_cost_most_stay_float():
    nodes, trial = settle(NODES, Model(n3=5.0, n20=2.0), never)
    assert not trial.complaint
    assert set(NODES) - set(nodes) == {"n2", "n3", "n20", "n21"}  # two to a group


def test_two_groups_that_each_spoil_it_are_both_found():
    # Whichever of the two is left out of the whole, it is as far off as before.
    def attempt(nodes: Sequence[str]) -> Trial:
        spoilt = "n5" in nodes or "n15" in nodes
        return Trial(9.0 if spoilt else 0.1, "sees nothing" if spoilt else "")

    nodes, trial = settle(NODES, attempt, never)
    assert not trial.complaint
    assert set(NODES) - set(nodes) == {"n4", "n5", "n14", "n15"}
    assert nodes == sorted(nodes, key=NODES.index)


def test_groups_that_are_too_many_together_are_not_all_taken():
    costs = dict.fromkeys(NODES, 0.1)  # .2 a group, 1 is allowed
    nodes, trial = settle(NODES, Model(**costs), never)
    assert len(nodes) == 10
    assert not trial.complaint


def test_where_nothing_helps_all_nodes_are_given_with_the_complaint():
    nodes, trial = settle(NODES, Model(**dict.fromkeys(NODES, 10.0)), never)
    assert nodes == NODES
    assert trial == Trial(240.0, "too far off")


def test_when_time_is_up_what_was_found_by_then_is_taken():
    model = Model(n3=5.0)
    nodes, trial = settle(NODES, model, lambda: model.tried >= 2)
    assert model.tried == 2
    assert nodes == ["n0", "n1"]
    assert not trial.complaint


@given(st.lists(st.integers(), unique=True), st.integers(1, 20))
def test_groups_hold_every_node_once_in_its_order(numbers: list[int], count: int):
    nodes = [str(number) for number in numbers]
    groups = groups_of(nodes, count)
    assert [node for group in groups for node in group] == nodes
    assert len(groups) <= count
    lengths = [len(group) for group in groups]
    assert max(lengths) - min(lengths) <= 1
