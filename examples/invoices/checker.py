"""The checker: compares an invoice with itself and with the ERP, and gives one word for it.

    task.input   {"invoice": the reader's answer}
    answer       {"verdict", "findings", "supplier"?, "order"?, "order_total"?, "known_account"}

It reads and changes nothing: its contract grants it three operations that find. It blocks nothing either. What
it reports as a duplicate is refused by the portal, whoever asks for it.
"""

from __future__ import annotations

from decimal import Decimal

from checks import Finding, booked_total, finding, findings
from money import Money, minor_of, money, plain, show
from portal import Json, Task, run
from suppliers import Sender, find_sender, folded

# A person settles these; nothing is posted before.
EXCEPTIONS = {
    *("wrong_sum", "wrong_vat", "wrong_line", "wrong_account"),
    *("credit_note", "nothing_owed", "ambiguous_supplier", "other_name"),
}
DUPLICATES = {"duplicate", "number_reused"}
CANCELLED = {"cancel", "cancelled"}


def work(task: Task) -> Json:
    """Return the verdict on one invoice with everything that speaks for it."""
    invoice = task.input["invoice"]
    sender = find_sender(task, invoice["seller"])
    order, about_order = find_order(task, invoice, sender)
    found = [
        *findings(invoice),
        *sender.findings,
        *about_supplier(invoice, sender),
        *about_order,
        *about_earlier(task, invoice, sender),
    ]
    known_account = sender.has_account(invoice.get("account", ""))
    answer = {
        "verdict": verdict({each["code"] for each in found}),
        "findings": found[:50],
        "known_account": known_account,
    }
    if sender.party:
        answer["supplier"] = sender.code
    if order:
        answer |= {"order": order["number"], "order_total": total_of(order)}
    return answer


def verdict(codes: set[str]) -> str:
    """Return the one word that decides where the invoice goes; the gravest comes first."""
    if codes & EXCEPTIONS:
        return "exception"
    if codes & DUPLICATES:
        return "duplicate"
    if "unknown_supplier" in codes:
        return "unknown_supplier"
    if codes & {"missing_order", "order_differs"}:
        return "missing_order"
    return "new_account" if "changed_account" in codes else "ok"


def about_supplier(invoice: Json, sender: Sender) -> list[Finding]:
    """Say whether the ERP knows the supplier and the account it asks to be paid on."""
    account = invoice.get("account")
    if not sender.party:
        return [finding("unknown_supplier", f"{invoice['seller']['name']} is not a supplier in the ERP.")]
    if account and not sender.has_account(account):
        name = sender.party["name"]
        return [finding("changed_account", f"The account {account} is not on file for {name}.")]
    return []


def find_order(task: Task, invoice: Json, sender: Sender) -> tuple[Json | None, list[Finding]]:
    """Return the order that covers the invoice, or why there is none."""
    number = invoice.get("order")
    if not number:
        return None, [finding("missing_order", "The invoice names no order.")]
    if not sender.party:
        return None, []
    wish = {"number": number, "supplier": sender.code}
    orders = [
        found
        for found in task.look("erp.purchase_order.find", wish, reason="Was this ordered?")
        if folded(found["number"]) == folded(number)
    ]
    if len(orders) != 1:
        name = sender.party["name"]
        return None, [finding("missing_order", f"The ERP has no order {number} of {name}.")]
    return _covering(orders[0], invoice)


def _covering(order: Json, invoice: Json) -> tuple[Json | None, list[Finding]]:
    """An order covers an invoice in its own currency, up to its own total without VAT."""
    total, net = total_of(order), invoice["net"]
    if total["currency"] == net["currency"] and net["minor"] <= total["minor"]:
        return order, []
    words = f"The order {order['number']} is over {show(total)}; the invoice asks for {show(net)} without VAT."
    return None, [finding("order_differs", words)]


def about_earlier(task: Task, invoice: Json, sender: Sender) -> list[Finding]:
    """Say whether the ERP has an invoice of this supplier under this number already."""
    if not sender.party:
        return []
    wish = {"supplier": sender.code, "number": invoice["number"]}
    found = []
    for earlier in task.look("erp.supplier_invoice.find", wish, reason="Is this invoice booked already?"):
        if earlier.get("state") in CANCELLED:
            continue
        entry, total, ours = earlier.get("entry") or "a draft", total_of(earlier), booked_total(invoice)
        words = f"Invoice {invoice['number']} is in the ERP already as {entry} over {show(total)}"
        if total == ours:
            found.append(finding("duplicate", f"{words}."))
        else:
            found.append(finding("number_reused", f"{words}; this one is over {show(ours)}."))
    return found


def total_of(record: Json) -> Money:
    """Return the total of a record of the ERP: money already, or decimal text beside a currency."""
    total = record["total"]
    if isinstance(total, dict):
        return total
    return money(minor_of(plain(Decimal(str(total))), record["currency"]), record["currency"])


if __name__ == "__main__":
    run(work)
