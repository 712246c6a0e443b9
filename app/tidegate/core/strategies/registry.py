"""The strategies that come with Tidegate, by name; users' own are added by ``plugins`` (D8)."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.core.state import MakeStrategy
from tidegate.core.strategies.fair_sharing import FairSharing
from tidegate.core.strategies.hybrid import Hybrid
from tidegate.core.strategies.load_balancing import LoadBalancing
from tidegate.core.strategies.priority_based import PriorityBased
from tidegate.core.strategies.resource_pooling import ResourcePooling
from tidegate.core.strategies.time_slicing import TimeSlicing

BUILT_IN: Mapping[str, MakeStrategy] = {
    "priority_based": PriorityBased.from_options,
    "time_slicing": TimeSlicing.from_options,
    "resource_pooling": ResourcePooling.from_options,
    "fair_sharing": FairSharing.from_options,
    "load_balancing": LoadBalancing.from_options,
    "hybrid": Hybrid.from_options,
}
