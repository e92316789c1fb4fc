"""The bookkeeper: enters a checked invoice into the ERP, and its supplier first if that is new.

    task.input   {"invoice": the reader's answer, "check": the checker's answer}
    answer       {"outcome", "action", "code", "sentence", "supplier"?, "entry"?}

``outcome`` is posted, rejected, denied, failed or expired: what the portal said, nothing of its own. Whether a
person has to agree is not decided here either. A held action gives the task back (portal.py), and when people
have decided the same lines run again, ask the same questions under the same keys, and get the answers.
"""

from __future__ import annotations

from checks import booked_total
from money import money, show
from portal import Cannot, Json, Outcome, Task, run
from suppliers import Sender, find_sender

OUTCOMES = {"confirmed": "posted", "rejected": "rejected", "denied": "denied", "expired": "expired"}
NOBODY = Sender()
DOUBTS = {"other_name", "ambiguous_supplier"}


def work(task: Task) -> Json:
    """Book one invoice and return what became of it."""
    invoice, check = task.input["invoice"], task.input["check"]
    sender = find_sender(task, invoice["seller"])
    require_no_doubt(sender)
    if not sender.party:
        asked = create_supplier(task, invoice)
        if not asked.done:
            return told(asked)
        sender = created(task, asked)
    outcome = task.ask(
        "erp.supplier_invoice.post",
        entry(invoice, sender, check.get("order", "")),
        name="post",
        reason=reason(invoice, check),
    )
    return told(outcome, sender)


def require_no_doubt(sender: Sender) -> None:
    """Book nothing at somebody else's: another invoice may have brought the party in since the check."""
    for found in sender.findings:
        if found["code"] in DOUBTS:
            raise Cannot(found["code"], found["message"])


def create_supplier(task: Task, invoice: Json) -> Outcome:
    """Ask for a new supplier; people always decide about that."""
    seller = invoice["seller"]
    named = ("name", "city", "street", "postal_code", "country", "tax_number")
    wish = {name: seller[name] for name in named if name in seller}
    if account := invoice.get("account"):
        wish["account"] = account
    words = f"{seller['name']} sent invoice {invoice['number']} and is not in the ERP."
    # Refused as a duplicate, it is being created for another invoice of the same supplier. A person may still
    # think about that, so this one is taken up again later: then the supplier is there, or may be asked for.
    return task.ask("erp.party.create", wish, name="supplier", reason=words, passing={"duplicate"})


def created(task: Task, asked: Outcome) -> Sender:
    """Return the new supplier as it stands in the ERP."""
    code = asked.result["code"]
    found = task.look("erp.party.find", {"code": code}, reason="What stands in the ERP now?")
    return Sender(found[0] if found else {"code": code})


def entry(invoice: Json, sender: Sender, order: str) -> Json:
    """Return what is to be booked: net per VAT rate, the VAT, the rounding, and where it is to be paid."""
    currency, account = invoice["currency"], invoice.get("account", "")
    net_account = "expense" if order else "to_be_coded"
    lines = [
        line(net_account, part["taxable"]["minor"], currency, f"Net, VAT {part['category']} {part['rate']} %")
        for part in invoice["vat_breakdown"]
    ]
    lines.append(line("vat", invoice["vat"]["minor"], currency, "VAT"))
    lines.append(line("rounding", invoice["rounding"]["minor"], currency, "Rounding"))
    wish = {
        "supplier": sender.code,
        "number": invoice["number"],
        "date": invoice["date"],
        "due_date": invoice.get("due_date"),
        "total": booked_total(invoice),
        "lines": [found for found in lines if found["amount"]["minor"]],
        "order": order,
        ("account" if sender.has_account(account) else "new_account"): account,
        "description": invoice["lines"][0].get("description"),
    }
    return {name: value for name, value in wish.items() if value}


def line(account: str, minor: int, currency: str, description: str) -> Json:
    """Return one line of an entry."""
    return {"account": account, "amount": money(minor, currency), "description": description}


def reason(invoice: Json, check: Json) -> str:
    """Say for the person who may have to decide what this is and what the checker found."""
    words = [f"Invoice {invoice['number']} of {invoice['seller']['name']} over {show(booked_total(invoice))}."]
    return " ".join([*words, *(found["message"] for found in check["findings"])])[:1000]


def told(outcome: Outcome, sender: Sender = NOBODY) -> Json:
    """Return what the portal said, in the words of the workflow."""
    answer = {
        "outcome": OUTCOMES.get(outcome.state, "failed"),
        "action": outcome.action,
        "code": outcome.code,
        "sentence": outcome.sentence[:1000],
        "supplier": sender.code,
        "entry": str(outcome.result.get("entry") or ""),
    }
    return {name: value for name, value in answer.items() if value}


if __name__ == "__main__":
    run(work)
