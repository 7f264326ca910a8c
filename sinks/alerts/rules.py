"""The rules of an installation: each checked as its kind asks, then all of them together.

`Rules` is the type of the settings' `rules:` list; a file of rules alone is a `RulesFile`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny

from runtime.settings import Section
from sinks.alerts.kinds import KINDS, Rule
from sinks.alerts.kinds.base import ALL_CAMERAS
from sinks.alerts.located import Location, located


def _of_its_kind(value: Any) -> Any:
    if isinstance(value, Rule):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("a rule is a block of keys: name, kind, cameras, …")
    known = ", ".join(KINDS)
    if "kind" not in value:
        raise located([((), f"the key `kind` is missing; there are: {known}")])
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise located([(("kind",), f"{kind!r} is no kind of rule; there are: {known}")])
    return KINDS[kind].model_validate(value)


def _names_differ(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    first: dict[str, int] = {}
    problems: list[tuple[Location, str]] = []
    for i, rule in enumerate(rules):
        if rule.name in first:
            reason = f"rule {first[rule.name] + 1} is named {rule.name!r} too: names must differ"
            problems.append(((i, "name"), reason))
        first.setdefault(rule.name, i)
    if problems:
        raise located(problems)
    return rules


AnyRule = Annotated[SerializeAsAny[Rule], BeforeValidator(_of_its_kind)]
Rules = Annotated[tuple[AnyRule, ...], AfterValidator(_names_differ)]


class RulesFile(Section):
    """A YAML file that holds rules and nothing else."""

    rules: Rules = Field(description="The alert rules.")


def check_cameras(rules: Collection[Rule], known: Collection[str]) -> None:
    """That each rule's cameras are among the `known` ids.

    Raises pydantic.ValidationError, its locations seen from the settings' root
    (`rules`, i, `cameras`, j): so a root model's validator may let it pass through.
    """
    problems: list[tuple[Location, str]] = [
        (("rules", i, "cameras", j), f"there is no camera {camera!r}; {_known(known)}")
        for i, rule in enumerate(rules)
        if rule.cameras != (ALL_CAMERAS,)
        for j, camera in enumerate(rule.cameras)
        if camera not in known
    ]
    if problems:
        raise located(problems)


def _known(cameras: Collection[str]) -> str:
    shown = sorted(cameras)[:10]
    more = len(cameras) - len(shown)
    return "there are: " + (", ".join(shown) or "none") + (f" and {more} more" if more else "")
