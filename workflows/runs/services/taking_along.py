"""The evidence of a run leaves the house as a file: who took it, and which bytes, is on record before it goes."""

from __future__ import annotations

import hashlib

from django.db import transaction

from audit.vocabulary import Actor
from workflows.runs.models import Run
from workflows.runs.services.moving import note

EVIDENCE_TAKEN = "runs.evidence_taken"


@transaction.atomic
def record_evidence_taken(*, actor: Actor, run: Run, form: str, content: bytes) -> str:
    """Record that somebody takes the evidence of a run along as a file; return the SHA-256 of its bytes."""
    digest = hashlib.sha256(content).hexdigest()
    note(
        actor=actor,
        run=run,
        verb=EVIDENCE_TAKEN,
        sentence=f"{actor.label} took the evidence of {run.label} along as {form.upper()}",
        payload={"format": form, "bytes": len(content), "sha256": digest},
    )
    return digest
