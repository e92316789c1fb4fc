"""Right invoices have no findings, and no number of one can change without one."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from checks import findings, line_net, valid_iban
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from money import decimal_of, major_of, minor_of, money, plain, show
from ubl import read_invoice

from tests.examples.snippets import INVOICE, adjustment, basic, changed, group

ARITHMETIC = {"wrong_sum", "wrong_vat", "wrong_line"}
RATES = [("S", "19"), ("S", "7.7"), ("S", "25.5"), ("Z", "0"), ("E", "0"), ("AE", "0"), ("K", "0"), ("G", "0")]
DIGITS = {"EUR": 2, "JPY": 0, "TND": 3}


def codes(data: dict[str, Any]) -> list[str]:
    return [found["code"] for found in findings(data)]


def half_up(number: Decimal, currency: str) -> int:
    return int(number.scaleb(DIGITS[currency]).quantize(Decimal(1), rounding=ROUND_HALF_UP))


@st.composite
def invoices(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid invoice, with its sums made here and not by what is tested."""
    currency = draw(st.sampled_from(list(DIGITS)))
    bases: dict[tuple[str, str], int] = defaultdict(int)
    lines, adjustments = [], []
    for index in range(draw(st.integers(1, 5))):
        category, rate = draw(st.sampled_from(RATES))
        quantity = draw(st.decimals(-99, 999, places=3))
        price, base = draw(st.decimals(0, 5000, places=4)), draw(st.sampled_from([1, 1, 10, 100, 1000]))
        allowance, charge = draw(st.integers(0, 500)), draw(st.integers(0, 500))
        net = half_up(quantity * price / base, currency) - allowance + charge
        bases[category, rate] += net
        line = {
            "id": str(index), "quantity": plain(quantity), "unit_price": plain(price),
            "net": money(net, currency), "vat_category": category, "vat_rate": rate,
            "allowance": money(allowance, currency), "charge": money(charge, currency),
        }  # fmt: skip
        lines.append(line if base == 1 else {**line, "base_quantity": str(base)})
    for kind, sign in (("allowance", -1), ("charge", 1)):
        for amount in draw(st.lists(st.integers(1, 10_000), max_size=2)):
            category, rate = draw(st.sampled_from(sorted(bases)))
            bases[category, rate] += sign * amount
            adjustments.append(
                {"kind": kind, "amount": money(amount, currency), "vat_category": category, "vat_rate": rate}
            )
    prepaid, rounding = draw(st.integers(0, 500)), draw(st.integers(-5, 5))
    return totalled(currency, lines, adjustments, bases, prepaid, rounding)


def totalled(
    currency: str,
    lines: list[dict[str, Any]],
    adjustments: list[dict[str, Any]],
    bases: dict[tuple[str, str], int],
    prepaid: int,
    rounding: int,
) -> dict[str, Any]:
    breakdown = [
        (category, rate, base, half_up(major_of(money(base, currency)) * Decimal(rate) / 100, currency))
        for (category, rate), base in bases.items()
    ]
    net, vat = sum(bases.values()), sum(entry[3] for entry in breakdown)
    sums = {
        "lines_net": sum(line["net"]["minor"] for line in lines),
        "allowances": sum(each["amount"]["minor"] for each in adjustments if each["kind"] == "allowance"),
        "charges": sum(each["amount"]["minor"] for each in adjustments if each["kind"] == "charge"),
        "net": net,
        "vat": vat,
        "total": net + vat,
        "prepaid": prepaid,
        "rounding": rounding,
        "payable": net + vat - prepaid + rounding,
    }
    return {
        "kind": "invoice",
        "currency": currency,
        "account": "DE02850503000221098764",
        "lines": lines,
        "adjustments": adjustments,
        "vat_breakdown": [
            {"category": category, "rate": rate, "taxable": money(base, currency), "tax": money(tax, currency)}
            for category, rate, base, tax in breakdown
        ],
        **{name: money(minor, currency) for name, minor in sums.items()},
    }


def amounts(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every amount in an invoice, to be changed in place."""
    if isinstance(data, dict) and set(data) == {"minor", "currency"}:
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from amounts(value)
    elif isinstance(data, list):
        for value in data:
            yield from amounts(value)


@given(invoices())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_right_invoice_has_no_arithmetic_findings(data: dict[str, Any]) -> None:
    assert ARITHMETIC.isdisjoint(codes(data))


@given(invoices(), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_single_amount_can_change_unnoticed(data: dict[str, Any], choose: st.DataObject) -> None:
    wrong = copy.deepcopy(data)
    # A line's own allowance or charge has the tolerance of its line, so it must change by more than that.
    own = [line[name] for line in wrong["lines"] for name in ("allowance", "charge")]
    place = choose.draw(st.sampled_from(list(amounts(wrong))))
    least = 30 if any(place is each for each in own) else 1
    place["minor"] += choose.draw(st.integers(least, 10**6)) * choose.draw(st.sampled_from([1, -1]))
    assert ARITHMETIC & set(codes(wrong))


@given(st.integers(-(10**13), 10**13), st.sampled_from(sorted(DIGITS)))
def test_money_is_read_as_it_is_shown(minor: int, currency: str) -> None:
    assert minor_of(f"{major_of(money(minor, currency)):f}", currency) == minor
    assert show(money(1234567, "EUR")) == "12,345.67 EUR"
    assert show(money(-1234567, "JPY")) == "-1,234,567 JPY"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6))
def test_plain_decimals_keep_their_value(number: Decimal) -> None:
    assert decimal_of(plain(number)) == number


@pytest.mark.parametrize(
    ("quantity", "price", "base", "net"),
    [
        ("1", "0.005", "1", 1),  # half up
        ("-1", "0.005", "1", -1),  # away from nought
        ("1", "0.0049", "1", 0),
        ("3", "10", "7", 429),  # 4.2857...: divided once, rounded once
        ("999999999", "0.000000001", "1", 100),
    ],
)
def test_a_line_is_rounded_once_and_half_up(quantity: str, price: str, base: str, net: int) -> None:
    line = {"quantity": quantity, "unit_price": price, "base_quantity": base, "net": money(0, "EUR")}
    assert line_net(line) == money(net, "EUR")


@pytest.mark.parametrize(
    ("pairs", "code", "words"),
    [
        (
            [(">238.00<", ">239.00<")],
            "wrong_sum",
            "total with VAT is 239.00 EUR, but net and VAT make 238.00 EUR",
        ),
        (
            [(">38.00<", ">37.00<"), (">238.00<", ">237.00<")],
            "wrong_vat",
            "VAT S at 19 % of 200.00 EUR is 38.00",
        ),
        ([(">8<", ">9<")], "wrong_line", "Line 1: 9 x 25 makes 225.00 EUR; the invoice says 200.00 EUR"),
        ([("<cbc:Percent>19.0<", "<cbc:Percent>7<")], "wrong_vat", "not listed in the VAT breakdown"),
        ([(">380<", ">381<")], "credit_note", "credit note over 238.00 EUR"),
        ([("0987 64", "0987 65")], "wrong_account", "check digits"),
        ([("DE02 8505 0300 0221 0987 64", "123")], "no_account", "no IBAN"),
    ],
)
def test_findings_speak_in_numbers(pairs: list[tuple[str, str]], code: str, words: str) -> None:
    found = findings(read_invoice(changed(*pairs)))
    assert any(each["code"] == code and words in each["message"] for each in found)


def test_the_example_itself_has_nothing_to_be_found() -> None:
    assert findings(read_invoice(INVOICE.encode())) == []


def test_discounts_and_prepayments_add_up() -> None:
    tax = group("TaxCategory", basic("ID", "S"), basic("Percent", "19"))
    sums = basic("AllowanceTotalAmount", "20.00", "EUR") + basic("ChargeTotalAmount", "20.00", "EUR")
    paid = basic("PrepaidAmount", "38.02", "EUR") + basic("PayableRoundingAmount", "0.02", "EUR")
    data = read_invoice(
        changed(
            ("<!--adjustments-->", adjustment("false", "20.00", tax) + adjustment("true", "20.00", tax)),
            ("<!--totals-->", sums + paid),
            ('PayableAmount currencyID="EUR">238.00<', 'PayableAmount currencyID="EUR">200.00<'),
        )
    )
    assert codes(data) == ["prepaid"]


def test_a_category_without_vat_has_no_rate_and_o_stands_alone() -> None:
    exempt = read_invoice(changed((">S<", ">E<")))
    assert "no VAT is charged in this category" in findings(exempt)[0]["message"]
    mixed = read_invoice(INVOICE.encode())
    nought = money(0, "EUR")
    mixed["vat_breakdown"].append({"category": "O", "rate": "0", "taxable": nought, "tax": nought})
    assert "outside the scope of VAT" in findings(mixed)[0]["message"]


@pytest.mark.parametrize(
    ("account", "valid"),
    [
        ("DE89370400440532013000", True),
        ("GB29NWBK60161331926819", True),
        ("NO9386011117947", True),
        ("DE89370400440532013001", False),
        ("DE98370400440532013000", False),
        ("DE8937040044053201300?", False),
    ],
)
def test_the_check_digits_of_an_iban(account: str, valid: bool) -> None:
    assert valid_iban(account) is valid
