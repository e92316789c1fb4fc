"""The baseline of ``make bench-actions``: a bare DRF view beside the product's own, in the same process.

The same server, authentication, parser and client; it keeps one row of the size of an action and answers 202.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from django.db import connection, transaction
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from uuid_utils.compat import uuid7

from audit.vocabulary import Refusal
from autonomy.urls import urlpatterns as product
from connectors.models import System
from connectors.services import run_bounded
from workflows.permissions import IsAgent

TABLE = "CREATE TABLE bench_bare (id uuid PRIMARY KEY, at timestamptz DEFAULT now(), body text NOT NULL)"
_INSERT = "INSERT INTO bench_bare (id, body) VALUES (%s, %s)"


class Bare(APIView):
    """Keep what was sent, padded to the size that is asked for."""

    permission_classes = [IsAgent]

    def post(self, request: Request) -> Response:
        """Write one row in one transaction."""
        key, size = uuid7(), int(request.headers.get("X-Row-Bytes", "0"))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_INSERT, [key, json.dumps(request.data).ljust(size)])
        return Response({"id": str(key), "state": "accepted"}, status=202)


class Occupied(APIView):
    """Fill the pool of a system in this process, so that what is accepted is left to a worker; or free it."""

    permission_classes = [IsAgent]
    free = threading.Event()

    def post(self, request: Request) -> Response:
        """Put work that waits into every place of the pool."""
        self.free.clear()
        system = System.objects.get(code=request.data["system"])
        for places in range(10_000):
            try:
                run_bounded(system, self.free.wait)
            except Refusal:
                return Response({"places": places})
        raise RuntimeError("the pool has no end")

    def delete(self, request: Request) -> Response:
        """Let all of it end."""
        self.free.set()
        return Response(status=204)


urlpatterns: list[Any] = [
    path("api/v1/bare", Bare.as_view()),
    path("api/v1/occupied", Occupied.as_view()),
    *product,
]
