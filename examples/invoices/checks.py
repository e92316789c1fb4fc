"""What can be checked on an invoice by itself: its arithmetic, its VAT and the number of its bank account.

    findings(data) -> [{"code": "wrong_sum", "message": "The total should be 119.00 EUR; it says 120.00 EUR."}]

Pure, exact and without opinion: ``data`` is what ubl.read_invoice returns. The rules are those of EN 16931-1
(BR-CO, BR-S and so on) and, for the net amount of a line, PEPPOL-EN16931-R120, the only one that grants a
tolerance. Rounding is half up, away from nought, to the digits of the currency.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from money import DIGITS, Money, major_of, money, show

Data = dict[str, Any]
Finding = dict[str, str]

LINE_TOLERANCE = Decimal("0.02")  # PEPPOL-EN16931-R120
TAXED = {"S", "L", "M", "B"}
# A quotient may need more digits than the 28 that Python takes by default; every sum and product here is exact.
EXACT = Context(prec=200, rounding=ROUND_HALF_UP)


def findings(data: Data) -> list[Finding]:
    """Return everything that is wrong or worth knowing about an invoice; an ordinary one has none."""
    parts = (_about_kind, _about_lines, _about_sums, _about_vat, _about_payment)
    return [found for part in parts for found in part(data)]


def valid_iban(account: str) -> bool:
    """Say whether the check digits of an IBAN are right (ISO 7064, MOD 97-10)."""
    try:
        return int("".join(str(int(char, 36)) for char in account[4:] + account[:4])) % 97 == 1
    except ValueError:
        return False


def finding(code: str, message: str) -> Finding:
    """Return one finding."""
    return {"code": code, "message": message}


def _about_kind(data: Data) -> Iterator[Finding]:
    total = booked_total(data)
    if data["kind"] == "credit_note":
        yield finding(
            "credit_note", f"This is a credit note over {show(total)}; a person decides how it is booked."
        )
    elif total["minor"] < 0:
        yield finding("credit_note", f"The total is {show(total)}: the supplier gives money back.")
    elif total["minor"] == 0:
        yield finding("nothing_owed", f"The total is {show(total)}: there is nothing to book.")


def _about_lines(data: Data) -> Iterator[Finding]:
    for line in data["lines"]:
        said, expected = line["net"], line_net(line)
        if abs(major_of(said) - major_of(expected)) > LINE_TOLERANCE:
            yield finding(
                "wrong_line",
                f"Line {line['id']}: {_in_words(line)} makes {show(expected)}; the invoice says {show(said)}.",
            )


def line_net(line: Data) -> Money:
    """Return quantity x price / base quantity - allowances + charges, rounded once."""
    currency = line["net"]["currency"]
    price = EXACT.divide(Decimal(line["unit_price"]), Decimal(line.get("base_quantity", "1")))
    own = _minor(line.get("charge")) - _minor(line.get("allowance"))
    return money(_rounded(EXACT.multiply(Decimal(line["quantity"]), price), currency) + own, currency)


def _in_words(line: Data) -> str:
    words = f"{line['quantity']} x {line['unit_price']}"
    if "base_quantity" in line:
        words += f" for {line['base_quantity']}"
    if "allowance" in line:
        words += f" less {show(line['allowance'])}"
    if "charge" in line:
        words += f" plus {show(line['charge'])}"
    return words


def _about_sums(data: Data) -> Iterator[Finding]:
    """Check BR-CO-10 to BR-CO-16."""
    said = {name: data[name]["minor"] for name in _TOTALS}
    lines = sum(line["net"]["minor"] for line in data["lines"])
    tax = sum(entry["tax"]["minor"] for entry in data["vat_breakdown"])
    expected = {
        "lines_net": (lines, "the lines add up to"),
        "allowances": (_sum_of(data, "allowance"), "the allowances add up to"),
        "charges": (_sum_of(data, "charge"), "the charges add up to"),
        "net": (
            said["lines_net"] - said["allowances"] + said["charges"],
            "lines less allowances plus charges make",
        ),
        "vat": (tax, "the VAT of all rates adds up to"),
        "total": (said["net"] + said["vat"], "net and VAT make"),
        "payable": (
            said["total"] - said["prepaid"] + said["rounding"],
            "the total less what is prepaid plus rounding makes",
        ),
    }
    for name, (minor, words) in expected.items():
        if said[name] != minor:
            right = show(money(minor, data["currency"]))
            yield finding(
                "wrong_vat" if name == "vat" else "wrong_sum",
                f"{_TOTALS[name]} is {show(data[name])}, but {words} {right}.",
            )


_TOTALS = {
    "lines_net": "The sum of the lines",
    "allowances": "The sum of the allowances",
    "charges": "The sum of the charges",
    "net": "The total without VAT",
    "vat": "The total VAT",
    "total": "The total with VAT",
    "prepaid": "The amount prepaid",
    "rounding": "The rounding",
    "payable": "The amount to be paid",
}


def _about_vat(data: Data) -> Iterator[Finding]:
    """Check the breakdown per category and rate (BR-CO-17, BR-CO-18, BR-S-08, BR-O-11 and their sisters)."""
    if not data["vat_breakdown"]:
        yield finding("wrong_vat", "The invoice does not say how its VAT comes about.")
    taxable = defaultdict[tuple[str, Decimal], int](int)
    for entry in data["vat_breakdown"]:
        taxable[_key(entry["category"], entry["rate"])] += entry["taxable"]["minor"]
        yield from _about_entry(entry)
    yield from _about_bases(taxable, _bases(data), data["currency"])
    categories = {category for category, _ in taxable}
    if "O" in categories and len(categories) > 1:
        yield finding("wrong_vat", "Some of the invoice is outside the scope of VAT (O) and some is not.")


def _about_entry(entry: Data) -> Iterator[Finding]:
    name, rate, currency = _name(entry), Decimal(entry["rate"]), entry["tax"]["currency"]
    if entry["category"] not in TAXED and rate:
        yield finding("wrong_vat", f"{name}: no VAT is charged in this category, yet the rate is not nought.")
    if entry["category"] == "S" and rate <= 0:
        yield finding("wrong_vat", f"{name}: the standard category needs a rate above nought.")
    tax = money(_rounded(EXACT.multiply(major_of(entry["taxable"]), rate.scaleb(-2)), currency), currency)
    if tax != entry["tax"]:
        yield finding(
            "wrong_vat",
            f"{name} of {show(entry['taxable'])} is {show(tax)}; the invoice says {show(entry['tax'])}.",
        )


def _about_bases(
    said: dict[tuple[str, Decimal], int], expected: dict[tuple[str, Decimal], int], currency: str
) -> Iterator[Finding]:
    for key in sorted({*said, *expected}):
        wanted, found = expected.get(key, 0), said.get(key)
        name = _name({"category": key[0], "rate": f"{key[1]:f}"})
        if found is None:
            yield finding("wrong_vat", f"{name} is charged on lines but not listed in the VAT breakdown.")
        elif found != wanted:
            yield finding(
                "wrong_vat",
                f"{name}: lines, allowances and charges make {show(money(wanted, currency))} taxable; "
                f"the invoice says {show(money(found, currency))}.",
            )


def _bases(data: Data) -> dict[tuple[str, Decimal], int]:
    """Return what is taxable per category and rate: lines less allowances plus charges."""
    sums = defaultdict[tuple[str, Decimal], int](int)
    for line in data["lines"]:
        sums[_key(line["vat_category"], line["vat_rate"])] += line["net"]["minor"]
    for entry in data["adjustments"]:
        sign = 1 if entry["kind"] == "charge" else -1
        sums[_key(entry["vat_category"], entry["vat_rate"])] += sign * entry["amount"]["minor"]
    return sums


def _key(category: str, rate: str) -> tuple[str, Decimal]:
    return category, Decimal(rate).normalize()


def _name(entry: Data) -> str:
    return f"VAT {entry['category']} at {entry['rate']} %"


def _about_payment(data: Data) -> Iterator[Finding]:
    account = data.get("account")
    if not account:
        yield finding("no_account", "The invoice names no IBAN to pay to.")
    elif not valid_iban(account):
        yield finding("wrong_account", f"The check digits of the account {account} are wrong.")
    if others := data.get("other_accounts"):
        yield finding("other_accounts", f"The invoice names other accounts, too: {', '.join(others)}.")
    if payee := data.get("payee"):
        yield finding("other_payee", f"The invoice asks to pay somebody else: {payee}.")
    if data["prepaid"]["minor"]:
        yield finding(
            "prepaid", f"{show(data['prepaid'])} of {show(data['total'])} is said to be paid already."
        )


def booked_total(data: Data) -> Money:
    """Return what the supplier is owed by this invoice: the total with VAT, as rounded for payment."""
    return money(data["total"]["minor"] + data["rounding"]["minor"], data["currency"])


def _sum_of(data: Data, kind: str) -> int:
    return sum(entry["amount"]["minor"] for entry in data["adjustments"] if entry["kind"] == kind)


def _minor(amount: Money | None) -> int:
    return int(amount["minor"]) if amount else 0


def _rounded(major: Decimal, currency: str) -> int:
    return int(major.scaleb(DIGITS[currency], context=EXACT).to_integral_value(rounding=ROUND_HALF_UP))
