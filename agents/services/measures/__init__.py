"""Limits that hold under any concurrency: reserve before the effect, settle or release after it.

One row per measure, key and window is the lock and the sum; rows are taken in one stable order everywhere.
"""

from __future__ import annotations

from agents.services.measures.closing import begin_anew, fail, release, settle, settle_all
from agents.services.measures.left import Left, left_now, left_of_limits
from agents.services.measures.reading import is_bound, readings, with_readings
from agents.services.measures.reserving import reserve
from agents.services.measures.spending import budgets, count_model_use

__all__ = [
    "Left",
    "begin_anew",
    "budgets",
    "count_model_use",
    "fail",
    "is_bound",
    "left_now",
    "left_of_limits",
    "readings",
    "release",
    "reserve",
    "settle",
    "settle_all",
    "with_readings",
]
