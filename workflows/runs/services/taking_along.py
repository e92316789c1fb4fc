"""What is taken along as a file, the evidence of a run or the list of runs, is on record before it goes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.db import transaction

from audit.services import record_event
from audit.vocabulary import Actor, Ref
from workflows.runs.models import Run
from workflows.runs.services.moving import note

EVIDENCE_TAKEN, LIST_TAKEN = "runs.evidence_downloaded", "runs.list_downloaded"


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


@transaction.atomic
def record_list_taken(*, actor: Actor, most: int, narrowed: Sequence[tuple[str, str]]) -> None:
    """Record that somebody takes the list of runs along as a file, and what it was narrowed to."""
    what = "; ".join(f"{label.lower()}: {value}" for label, value in narrowed)
    record_event(
        actor=actor,
        verb=LIST_TAKEN,
        subject=Ref("runs.run", "", "Runs"),
        sentence=f"{actor.label} took the list of runs along as CSV ({what})"[:500],
        payload={"format": "csv", "most": most, "filters": dict(narrowed)},
    )
