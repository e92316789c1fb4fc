"""What this room adds to the site."""

from __future__ import annotations

from django.urls import path

from audit.api import EventFeed
from audit.ledger_api import EventProof, NewestCheckpoint, TreeTile

api_urlpatterns = [
    path("events", EventFeed.as_view(), name="events"),
    path("ledger/checkpoint", NewestCheckpoint.as_view(), name="ledger-checkpoint"),
    path("ledger/tile/<path:tile>", TreeTile.as_view(), name="ledger-tile"),
    path("ledger/proofs/<uuid:event_id>", EventProof.as_view(), name="ledger-proof"),
]
