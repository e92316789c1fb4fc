"""A company to try the portal with: people, agents and a real ERP. Switched on by DEMO_COMPANY=1.

Nothing in the product imports this package, and nothing here is needed to run a company of one's own.
"""

from __future__ import annotations
