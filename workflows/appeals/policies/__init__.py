"""What may be contested, what appeals have in common, and what the smallest change would be: pure."""

from __future__ import annotations

from workflows.appeals.policies.clusters import Cluster, Contested, Ground, clusters
from workflows.appeals.policies.contesting import CONTESTABLE, shape_of_rule, value_at, why_not_contestable
from workflows.appeals.policies.loosening import Loosening, loosened_limit, loosened_rule, round_above

__all__ = [
    "CONTESTABLE",
    "Cluster",
    "Contested",
    "Ground",
    "Loosening",
    "clusters",
    "loosened_limit",
    "loosened_rule",
    "round_above",
    "shape_of_rule",
    "value_at",
    "why_not_contestable",
]
