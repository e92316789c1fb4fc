"""An agent of somebody else: it knows an address and a credential, and does what its tasks say.

task.input   {"number": str, "post": bool}: with ``post`` it asks for the invoice itself, within its task
answer       {"number": str, "state": what became of that, or "read"}
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "invoices"))

from portal import Json, Task, run  # type: ignore[import-not-found]


def work(task: Task) -> Json:
    """Do one task."""
    number = task.input["number"]
    if not task.input["post"]:
        return {"number": number, "state": "read"}
    wish = {"supplier": "S-1", "number": number, "total": {"minor": 12_300, "currency": "EUR"}}
    asked = task.ask("keyed.invoice.post", wish, name="post", reason=f"Invoice {number} came in.")
    return {"number": number, "state": asked.state}


if __name__ == "__main__":
    run(work)
