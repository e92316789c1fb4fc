"""The HTTP API of work: actions, operations, decisions and approvals. Views translate; services decide."""

from __future__ import annotations
