"""The pages that compose several rooms: home, inbox, activity, the story of an action."""

from __future__ import annotations
