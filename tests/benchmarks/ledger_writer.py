"""One Python writer of the ledger's measurements: told what to do a line at a time, it answers with JSON.

    python -m tests.benchmarks.ledger_writer

``ledger SECONDS RATE`` records events as the product does, a transaction each; ``bare SECONDS RATE`` inserts
the same rows in the same way into tables with the same columns and indexes, and no trigger. RATE is events a
second; 0 is as fast as it goes. The answer is how many were committed. ``acknowledge FILE`` records until it is
killed, and writes the id of each event to the file once it is committed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django


def main() -> None:
    """Work until there are no more lines."""
    django.setup()
    from audit.registry import register_verbs

    register_verbs({"bench.thing_done": "A thing was done."})
    write = {"ledger": _record, "bare": _insert}
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "acknowledge":
            _acknowledge(Path(rest[0]))
            continue
        print(json.dumps(_paced(write[what], float(rest[0]), float(rest[1]))), flush=True)


def _paced(write: Callable[[int], Any], seconds: float, rate: float) -> int:
    began, done = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        if rate and done > spent * rate:
            time.sleep(done / rate - spent)
            continue
        write(done)
        done += 1
    return done


def _fact(number: int) -> Any:
    from audit.services import Fact
    from audit.vocabulary import Actor, ActorKind, Ref

    return Fact(
        actor=Actor(ActorKind.AGENT, AGENT, "Invoice clerk"),
        verb="bench.thing_done",
        subject=Ref("actions.action", str(uuid.uuid4()), f"Supplier invoice {number}"),
        sentence=f"Invoice clerk: supplier invoice {number} was posted in the ERP.",
        agent_id=AGENT,
        correlation_id=str(uuid.uuid4()),
        decision="allow",
        code="allowed",
        operation="erp.supplier_invoice.post",
        risk={"tier": "medium", "autonomy": "by_contract"},
        payload={
            "arguments_digest": "c0ffee" * 10,
            "policy_version": 41,
            "rules": [{"rule": "large-payments", "verdict": "allow", "version": 3}],
            "headroom": {"payments": 120000 + number},
        },
    )


def _record(number: int) -> Any:
    from django.db import transaction

    from audit.services import record_events

    with transaction.atomic():
        return record_events([_fact(number)])[0]["id"]


def _insert(number: int) -> None:
    from django.db import connection, transaction

    from audit.models import Event, Payload
    from audit.services import recording, rows

    fact = _fact(number)
    row = recording._row(fact)
    given = [(Event, row), (Payload, {"event_id": row["id"], "data": recording._holdable(fact.payload)})]
    statements, values = [], []
    for model, one in given:
        fields, statement = rows._insertion(model, tuple(one))
        statements.append(statement.replace('"audit_', '"bench_'))
        values.append(rows._dumped([rows._by_column(fields, one)]))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(";\n".join(statements), values)


def _acknowledge(path: Path) -> None:
    from django.db import DatabaseError, InterfaceError, connection

    with path.open("a") as kept:
        number = 0
        while True:
            try:
                kept.write(f"{_record(number)}\n")
                kept.flush()
                number += 1
            except (DatabaseError, InterfaceError):
                connection.close()
                time.sleep(0.2)


AGENT = str(uuid.uuid4())

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
    main()
