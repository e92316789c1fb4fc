"""What this room adds to the site."""

from __future__ import annotations

from django.urls import path

from audit.api import EventFeed
from audit.ledger_api import EventProof, NewestCheckpoint, TreeTile
from audit.offers import registered_offers
from audit.pages.choosing import choices
from audit.pages.download import download
from audit.pages.story import story
from audit.services.downloading import FORMATS

api_urlpatterns = [
    path("events", EventFeed.as_view(), name="events"),
    path("ledger/checkpoint", NewestCheckpoint.as_view(), name="ledger-checkpoint"),
    path("ledger/tile/<path:tile>", TreeTile.as_view(), name="ledger-tile"),
    path("ledger/proofs/<uuid:event_id>", EventProof.as_view(), name="ledger-proof"),
]
page_urlpatterns = [
    # An address for each: who may search it is decided, and tested, for each by itself.
    *(path(f"choices/{of}/", choices, {"of": of}, name=f"choices-{of}") for of in registered_offers()),
    path("ledger/story/action/<uuid:key>/", story, {"kind": "action"}, name="story-action"),
    path("ledger/story/run/<uuid:key>/", story, {"kind": "run"}, name="story-run"),
    *(
        path(f"ledger/download.{form}", download, {"form": form}, name=f"ledger-download-{form}")
        for form in FORMATS
    ),
]
