"""Find in the ERP who an invoice comes from; nothing is guessed: one party, none, or a doubt said in words."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from checks import Finding, finding
from portal import Json, Task


@dataclass(frozen=True)
class Sender:
    """The party an invoice comes from, if exactly one fits, and what is odd about it."""

    party: Json | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def code(self) -> str:
        """Return the code of the party in the ERP, '' without one."""
        return str(self.party["code"]) if self.party else ""

    def has_account(self, account: str) -> bool:
        """Say whether an IBAN is on file for it."""
        known = self.party.get("accounts") or [] if self.party else []
        return folded(account) in {folded(iban) for iban in known}


def find_sender(task: Task, seller: Json) -> Sender:
    """Look a seller up by its tax number, then by its exact name."""
    name, number = seller["name"], seller.get("tax_number", "")
    if number:
        by_number = _parties(task, {"tax_number": number})
        if len(by_number) > 1:
            return Sender(None, [_doubt(f"{len(by_number)} parties have the tax number {number}.")])
        if by_number:
            return Sender(by_number[0], list(_other_name(by_number[0], name, number)))
    # In a search by name % and _ stand for any text, so what it finds is compared to the letter.
    by_name = [found for found in _parties(task, {"name": name}) if folded(found["name"]) == folded(name)]
    if len(by_name) > 1:
        return Sender(None, [_doubt(f"{len(by_name)} parties are called {name}.")])
    if by_name and number and by_name[0].get("tax_numbers"):
        known = ", ".join(by_name[0]["tax_numbers"])
        words = f"{name} is in the ERP with the tax number {known}; this invoice says {number}."
        return Sender(None, [finding("other_tax_number", words)])
    return Sender(by_name[0] if by_name else None)


def folded(text: str) -> str:
    """Return text without differences of case, width and spacing."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _parties(task: Task, arguments: Json) -> list[Json]:
    return task.look("erp.party.find", arguments, reason="Who is this invoice from?")


def _other_name(party: Json, name: str, number: str) -> list[Finding]:
    if folded(party["name"]) == folded(name):
        return []
    return [
        finding("other_name", f"The tax number {number} is that of {party['name']}; the invoice says {name}.")
    ]


def _doubt(words: str) -> Finding:
    return finding("ambiguous_supplier", words)
