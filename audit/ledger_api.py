"""The seals over HTTP: the newest checkpoint, tiles of hashes (C2SP tlog-tiles), proofs of single events."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from audit import seals, selectors
from audit.merkle import TILE_WIDTH
from audit.permissions import MayReadEvents
from audit.services import stored_tree
from audit.services.proofs import cosigned, proof_text
from audit.standalone.verify_ledger import HASH_BYTES
from audit.vocabulary import Refusal, RefusalKind

TEXT, BYTES = "text/plain", "application/octet-stream"
# tile/<level>/<index>: the index in groups of three digits, all but the last marked x; .p/<width> for a part.
TILE = re.compile(
    r"^(?P<level>[0-5])/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?$"
)


class AsItIs(BaseContentNegotiation):
    """What is sealed has one form, whatever the caller would accept; refusals are problems."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer of problems."""
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the one parser."""
        return parsers[0]


class NewestCheckpoint(APIView):
    """The newest signed checkpoint."""

    permission_classes = [MayReadEvents]
    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="ledger_checkpoint",
        summary="Get the newest checkpoint of the ledger",
        description="A signed note (C2SP tlog-checkpoint): name, size and root of the tree over all events.",
        responses={(200, TEXT): OpenApiTypes.STR},
        tags=["ledger"],
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the note as it leaves the house."""
        checkpoint = seals.newest_checkpoint()
        if checkpoint is None:
            raise _missing("nothing_signed", "Nothing of the ledger is signed yet. Ask again in a moment.")
        return HttpResponse(checkpoint.note + cosigned(checkpoint), content_type=f"{TEXT}; charset=utf-8")


class TreeTile(APIView):
    """A tile of the tree."""

    permission_classes = [MayReadEvents]
    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="ledger_tile",
        summary="Get a tile of the tree",
        description=(
            "Hashes of one level, 32 bytes each (C2SP tlog-tiles): `0/000`, `1/x001/234`; the last one of a "
            "level is had in part, `0/003.p/17`. Nothing of what was written can be read from them."
        ),
        responses={(200, BYTES): OpenApiTypes.BINARY},
        tags=["ledger"],
    )
    def get(self, request: Request, tile: str) -> HttpResponse:
        """Return as many hashes as were asked for; all of them have to be there."""
        asked = TILE.fullmatch(tile)
        if asked is None:
            raise _missing("no_such_tile", "That is no tile: tile/<level>/<index>, such as tile/0/000.p/12.")
        width = int(asked["width"] or TILE_WIDTH)
        index = int(asked["index"].replace("x", "").replace("/", ""))
        level = int(asked["level"])
        # What is not signed yet is not shown either.
        newest = seals.newest_checkpoint()
        signed = (newest.tree_size if newest else 0) >> (8 * level)
        if width > TILE_WIDTH or index * TILE_WIDTH + width > signed:
            raise _missing(
                "no_such_tile", f"Level {level} of the tree has {signed} hashes yet, fewer than that."
            )
        return HttpResponse(stored_tree.tile(level, index)[: width * HASH_BYTES], content_type=BYTES)


class EventProof(APIView):
    """The proof of one event."""

    permission_classes = [MayReadEvents]
    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="ledger_proof",
        summary="Get the proof that an event is in the ledger",
        description=(
            "A C2SP tlog-proof of an event that you may see: its index, the hashes up to the root, and the "
            "signed checkpoint. The line `extra` is base64 of what was sealed of the event; SHA-256 over a "
            "zero byte and that text is the hash the proof begins with. 409 while it is not sealed yet."
        ),
        responses={(200, TEXT): OpenApiTypes.STR},
        tags=["ledger"],
    )
    def get(self, request: Request, event_id: UUID) -> HttpResponse:
        """Return the proof as a text that can be checked without the portal."""
        event = selectors.visible_events(request.user).filter(pk=event_id).first()
        if event is None:
            raise _missing("event_not_found", f"There is no event {event_id} that you may see.")
        checkpoint = seals.newest_checkpoint()
        if checkpoint is None or event.position is None or event.position > checkpoint.tree_size:
            raise Refusal(
                "not_sealed_yet",
                f"The proof was refused: the event {event_id} is not sealed yet. Ask again in a moment.",
                kind=RefusalKind.CONFLICT,
                next_step="Ask again in a moment.",
            )
        proof = proof_text(event.position - 1, checkpoint)
        return HttpResponse(proof, content_type=f"{TEXT}; charset=utf-8")


def _missing(code: str, message: str) -> Refusal:
    return Refusal(code, message, kind=RefusalKind.NOT_FOUND)
