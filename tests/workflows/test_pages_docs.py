"""What the documentation tells people to write works as it stands there."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from tests.harness import ROOT
from tests.workflows.test_runs import approve, claim, complete
from workflows.documents.services import store_document
from workflows.runs import services
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = pytest.mark.usefixtures("hints")


def test_the_workflow_of_the_documentation_runs(
    alice: Any, bob: Any, clerk: Any, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    found = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "writing-a-workflow.md").read_text(), re.DOTALL)
    assert found
    services.propose_version(actor=alice.as_actor(), text=found[1], reason="as the documentation says")
    approve(bob)
    letter = store_document(
        actor=alice.as_actor(),
        name="letter.txt",
        media_type="text/plain",
        content=io.BytesIO(b"Pay!"),
        source="upload",
    )
    run = services.start_run(
        actor=alice.as_actor(),
        workflow_code="supplier-reminder",
        input={"supplier": "Acme", "number": "R-7", "letter": str(letter.pk)},
        key=letter.sha256,
    ).run
    services.tick()
    complete(clerk, claim(clerk), paid=False, note="It is not in the books")
    work = Task.objects.get(kind="human_work")
    assert work.input == {"Supplier": "Acme", "What the agent found": "It is not in the books"}
    epoch = tasks.claim_task(actor=bob.as_actor(), task_id=work.pk).epoch
    answer = {"verdict": "pay", "by": "2026-12-01"}
    tasks.complete_task(actor=bob.as_actor(), task_id=work.pk, epoch=epoch, answer=answer)
    services.tick()
    run.refresh_from_db()
    assert (run.label, run.outcome, run.output) == ("Reminder R-7 of Acme", "to_pay", {"number": "R-7"})
