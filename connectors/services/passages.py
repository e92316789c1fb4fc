"""The only maker of passages: from a call or message that is recorded and committed, as long as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.choices import Purpose
from connectors.models import Call
from connectors.vocabulary import _MINT, Passage


@contextmanager
def open_passage(call: Call) -> Iterator[Passage]:
    """Yield the passage of a running call and close it afterwards, whatever happens."""
    passage = Passage(
        _MINT,
        call_id=str(call.pk),
        system_id=str(call.system_id),
        operation_code=call.operation.code if call.operation else "",
        reads_only=call.purpose != Purpose.EXECUTE,
    )
    try:
        yield passage
    finally:
        passage.close()


@contextmanager
def open_for_message(message_id: str, place: str) -> Iterator[Passage]:
    """Yield the passage of one recorded message to the one place it goes to; it carries no operation."""
    passage = Passage(_MINT, call_id=message_id, system_id=place, operation_code="", reads_only=False)
    try:
        yield passage
    finally:
        passage.close()
