"""The reference agents are scripts beside each other; the tests import them as they import each other."""

from __future__ import annotations

import sys

from tests.harness import ROOT

sys.path.insert(0, str(ROOT / "examples" / "invoices"))
