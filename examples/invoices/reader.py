"""The reader: turns a document into invoice data. The smallest of the three; copy this one.

    task.input   {"document": "<id>"}
    answer       the invoice data of ubl.read_invoice
    cannot       malformed, hostile, not_an_invoice, unsupported: a person looks at the document

It uses no operation, so its contract grants it none: all it can do is read the documents of its tasks.
"""

from __future__ import annotations

from portal import Cannot, Json, Task, run
from ubl import CannotRead, read_invoice


def work(task: Task) -> Json:
    """Return the data of the invoice in the document, or say why there is none."""
    try:
        return read_invoice(task.document(task.input["document"]))
    except CannotRead as error:
        raise Cannot(error.code, error.message) from error


if __name__ == "__main__":
    run(work)
