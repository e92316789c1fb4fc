"""The supplier clerk: looks whether a new supplier is there already, and what is odd about it.

    task.input   {"name", "city", "country", "tax_number", "account"}
    answer       {"verdict": "new" | "known" | "odd", "findings", "supplier"?}

It works for another workflow than the three beside it, on the same few lines of portal.py. It creates nothing
here: the workflow asks for that, and people agree to it.
"""

from __future__ import annotations

from checks import Finding, finding, valid_iban
from portal import Json, Task, run
from suppliers import find_sender


def work(task: Task) -> Json:
    """Return whether the supplier is new, known or odd, with everything that speaks for it."""
    wish = task.input
    sender = find_sender(task, wish)
    if sender.party and not sender.findings:
        words = f"{wish['name']} is in the ERP as {sender.code}."
        return {"verdict": "known", "supplier": sender.code, "findings": [finding("known", words)]}
    found = [*sender.findings, *about_account(task, wish), *about_country(wish)]
    return {"verdict": "odd" if found else "new", "findings": found[:50]}


def about_account(task: Task, wish: Json) -> list[Finding]:
    """Say whether the account can be one, and whether somebody else is paid there already."""
    account = wish["account"]
    if not valid_iban(account):
        return [finding("wrong_account", f"The check digits of the account {account} are wrong.")]
    owners = [
        code
        for known in task.look("erp.supplier_account.find", {"account": account}, reason="Whose account is it?")
        for code in known.get("suppliers", [])
    ]
    if owners:
        return [finding("account_taken", f"The account {account} is that of {', '.join(owners)}.")]
    return []


def about_country(wish: Json) -> list[Finding]:
    """Say where tax number and account are from elsewhere; that may be right, and a person knows."""
    country, found = wish["country"], []
    # Greece writes its tax numbers EL.
    if wish["tax_number"][:2] not in (country, "EL" if country == "GR" else country):
        found.append(finding("other_country", f"The tax number {wish['tax_number']} is not of {country}."))
    if wish["account"][:2] != country:
        found.append(finding("foreign_account", f"The account {wish['account']} is not in {country}."))
    return found


if __name__ == "__main__":
    run(work)
