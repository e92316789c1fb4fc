"""The product's settings, with one more address: that of the baseline."""

from __future__ import annotations

from autonomy.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.bare"
