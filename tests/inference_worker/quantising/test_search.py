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


def test_where_nothing_helps_the_best_is_given_with_its_complaint():
    model = Model(**dict.fromkeys(NODES, 10.0))
    nodes, trial = settle(NODES, model, never)
    assert trial.complaint
    assert len(nodes) == 2  # one group was left
    assert trial.loss == 20.0


def test_the_search_ends_when_time_is_up():
    model = Model(n3=5.0)
    nodes, trial = settle(NODES, model, lambda: model.tried >= 4)
    assert model.tried <= 4
    assert trial.complaint
    assert nodes == NODES


@given(st.lists(st.integers(), unique=True), st.integers(1, 20))
def test_groups_hold_every_node_once_in_its_order(numbers: list[int], count: int):
    nodes = [str(number) for number in numbers]
    groups = groups_of(nodes, count)
    assert [node for group in groups for node in group] == nodes
    assert len(groups) <= count
    lengths = [len(group) for group in groups]
    assert max(lengths) - min(lengths) <= 1
