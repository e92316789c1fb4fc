"""The order finder: says which order an invoice is for. What is not written on it, it asks those who ordered.

    task.input   {"invoice": the reader's answer, "supplier": its code in the ERP}
    answer       {"order": number}

An answer is somebody's word: it counts only if the ERP has that order. What nobody knows it passes on to
people, with what it has heard so far, instead of guessing. Whom it asks has to take part in the workflow.
"""

from __future__ import annotations

from portal import Json, Task, run
from suppliers import folded

BUYERS: Json = {"group": "Approvers"}
ORDER: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["order"],
    "properties": {"order": {"type": "string", "maxLength": 40}},
}


def work(task: Task) -> Json:
    """Return the order, as the invoice names it or as those say who were asked."""
    invoice, supplier = task.input["invoice"], task.input["supplier"]
    named = str(invoice.get("order", ""))
    if named and (found := known_order(task, named, supplier)):
        return {"order": found}
    about = f"invoice {invoice['number']} of {invoice['seller']['name']}"
    said = task.question(f"Which order is {about} for?", to=BUYERS, schema=ORDER)
    told = str((said or {}).get("order", ""))
    if told and (found := known_order(task, told, supplier)):
        return {"order": found}
    heard = (
        f"It was asked for, and the answer was {told}." if told else "It was asked for, and nobody answered."
    )
    raise task.hand_off(BUYERS, reason=f"The ERP has no order that {about} could be for.", note=heard)


def known_order(task: Task, number: str, supplier: str) -> str:
    """Return the number of an order as the ERP spells it, or '' if it has none of this supplier."""
    wish = {"number": number, "supplier": supplier}
    found = task.look("erp.purchase_order.find", wish, reason="Is there such an order?")
    return next((str(each["number"]) for each in found if folded(each["number"]) == folded(number)), "")


if __name__ == "__main__":
    run(work)
