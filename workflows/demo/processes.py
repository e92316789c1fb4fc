"""The workflows of the demo company, proposed by Alice and approved by Bob, and the folder that starts one."""

from __future__ import annotations

from pathlib import Path

from agents.models import ChangeRequest
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.demo.company import person
from workflows.runs.models import Workflow
from workflows.runs.services import propose_version
from workflows.triggers.models import WatchedFolder
from workflows.triggers.services import save_folder

FOLDER = Path(__file__).resolve().parent / "workflows"
REASON = "The first workflows of the demo company"


def set_up_workflows() -> None:
    """Publish what is missing; a workflow that is there stays as people made it."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if not Workflow.objects.filter(code=path.stem, current__isnull=False).exists():
            _publish(path)
    invoices = Workflow.objects.get(code="invoice-to-ledger")
    if not WatchedFolder.objects.filter(folder="invoices").exists():
        save_folder(
            actor=person("alice").as_actor(),
            values={"name": "Invoices that came in", "folder": "invoices", "workflow": invoices},
            reason="Whoever gets an invoice drops it there",
        )


def _publish(path: Path) -> None:
    version = propose_version(actor=person("alice").as_actor(), text=path.read_text(), reason=REASON)
    change = ChangeRequest.objects.get(
        kind="runs.workflow_version", target_id=str(version.workflow_id), state=ChangeRequest.State.PENDING
    )
    question = Approval.objects.get(subject_kind="agents.changerequest", subject_id=str(change.pk))
    approvals.cast_vote(
        actor=person("bob").as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="Read it, and it is what we do",
        digest=question.digest,
    )
