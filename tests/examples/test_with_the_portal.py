"""A reference agent against the real thing: portal, database and HTTP."""

from __future__ import annotations

import io
import signal
import subprocess
import time
from typing import Any

import pytest

from agents.services.credentials import issue_client_secret
from audit.vocabulary import Actor, Ref
from tests.examples.snippets import INVOICE
from tests.examples.test_agents import DATA, FOLDER, PYTHON
from workflows.demo.invoices.answers import ANSWERS
from workflows.documents.services import store_document
from workflows.tasks.models import Task
from workflows.tasks.services import open_task

TESTS = Actor.system("tests")


def offer(agent: Any, document: Any) -> Task:
    """Offer a document to be read to whoever has the role of the agent."""
    return open_task(
        actor=TESTS,
        kind=Task.Kind.AGENT_WORK,
        title="Read it",
        subject=Ref("tests.paper", "1", "a paper"),
        role=agent.role,
        work={"document": str(document.pk)},
        answer_schema=ANSWERS["read"],
    )


def await_end(task: Task) -> Task:
    deadline = time.monotonic() + 60
    while task.state in Task.WAITING and time.monotonic() < deadline:
        time.sleep(0.1)
        task.refresh_from_db()
    return task


@pytest.mark.full
def test_the_reader_works_for_the_portal_and_outlives_its_restart(portal: Any, robo: Any, alice: Any) -> None:
    issued = issue_client_secret(actor=alice.as_actor(), agent=robo, reason="For its process")
    good, bad = (
        store_document(
            actor=robo.user.as_actor(), name="a.xml", media_type="application/xml", content=io.BytesIO(content),
            source="upload",
        )
        for content in (INVOICE.encode(), b"<Invoice")
    )  # fmt: skip
    first = offer(robo, good)
    environment = {
        "AUTONOMY_URL": portal.url,
        "AUTONOMY_CLIENT_ID": issued.client_id,
        "AUTONOMY_CLIENT_SECRET": issued.secret,
    }
    reader = subprocess.Popen([*PYTHON, str(FOLDER / "reader.py")], env=environment, cwd="/")
    try:
        first = await_end(first)
        assert (first.state, first.answer) == (Task.State.DONE, DATA)
        portal.kill("portal")
        second = offer(robo, bad)
        portal.start("portal")
        second = await_end(second)
        assert (second.state, second.failure["code"]) == (Task.State.FAILED, "malformed")
        reader.send_signal(signal.SIGTERM)
        assert reader.wait(10) == 0
    finally:
        reader.kill()
        reader.wait()
