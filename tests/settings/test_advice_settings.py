"""Settings of conflicts and hints become the policy by which the advisor goes."""

from __future__ import annotations

import pytest

from tidegate.core.conflicts import BY_HAND, POLICIES, AdvicePolicy
from tidegate.paths import Paths
from tidegate.settings import SettingsError, load
from tidegate.settings.catalogue import find_setting


def test_the_defaults_are_the_advisors_own(paths: Paths) -> None:
    assert load(paths, {}).advice_policy() == AdvicePolicy()


def test_what_is_set_is_what_holds(paths: Paths) -> None:
    given = {
        "TIDEGATE_CONFLICTS_RESOLVE": "time_slicing",
        "TIDEGATE_CONFLICTS_QUANTUM": "2m",
        "TIDEGATE_CONFLICTS_ENABLED": "no",
        "TIDEGATE_HINTS_ENABLED": "no",
    }
    assert load(paths, given).advice_policy() == AdvicePolicy(False, False, "time_slicing", 120.0)


def test_every_policy_can_be_chosen_and_nothing_else(paths: Paths) -> None:
    setting = find_setting("conflicts.resolve")
    assert setting is not None
    assert setting.choices == (BY_HAND, *POLICIES)
    with pytest.raises(SettingsError, match="by_hand"):
        load(paths, {"TIDEGATE_CONFLICTS_RESOLVE": "by_luck"})
