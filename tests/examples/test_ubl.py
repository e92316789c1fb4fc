"""The reader takes every invoice that EN 16931 allows, and refuses the others in plain words."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from checks import findings
from hypothesis import given, settings
from hypothesis import strategies as st
from ubl import CannotRead, read_invoice

from connectors.policies.schemas import argument_errors, schema_problems
from tests.examples.snippets import INVOICE, adjustment, basic, changed, group, without
from workflows.demo.invoices.answers import ANSWERS

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NOTE = "<!--adjustments-->"
TYPE = "<cbc:InvoiceTypeCode"
PRICE = ">25</cbc:PriceAmount>"
SCHEME = "<cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory>"


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(CannotRead) as caught:
        read_invoice(data)
    return caught.value.code, caught.value.message


def eur(minor: int) -> dict[str, object]:
    return {"minor": minor, "currency": "EUR"}


def test_an_ordinary_invoice_becomes_plain_data() -> None:
    assert read_invoice(INVOICE.encode()) == {
        "kind": "invoice",
        "number": "RE-1",
        "date": "2026-05-03",
        "currency": "EUR",
        "seller": {
            "name": "Elbe Castings AG",
            "tax_number": "DE264837152",
            "company_number": "HRB 1",
            "street": "Kai 1",
            "city": "Dresden",
            "postal_code": "01067",
            "country": "DE",
        },
        "buyer": {"name": "Northwind Pumps GmbH"},
        "order": "PO-7",
        "account": "DE02850503000221098764",
        "lines": [
            {
                "id": "1",
                "description": "Impellers",
                "quantity": "8",
                "unit_price": "25",
                "net": eur(20000),
                "vat_category": "S",
                "vat_rate": "19",
            }
        ],
        "adjustments": [],
        "lines_net": eur(20000),
        "allowances": eur(0),
        "charges": eur(0),
        "net": eur(20000),
        "vat": eur(3800),
        "total": eur(23800),
        "prepaid": eur(0),
        "rounding": eur(0),
        "payable": eur(23800),
        "vat_breakdown": [{"category": "S", "rate": "19", "taxable": eur(20000), "tax": eur(3800)}],
    }


def test_the_schemas_of_the_answers_can_be_published_and_fit() -> None:
    assert [schema_problems(schema) for schema in ANSWERS.values()] == [[], [], []]
    assert argument_errors(ANSWERS["read"], read_invoice(INVOICE.encode())) == []


@pytest.mark.parametrize(
    ("pairs", "path", "expected"),
    [
        ([(">RE-1<", ">  RE\u200b\n 1\u00ad <")], ["number"], "RE 1"),
        ([(">2026-05-03<", ">2026-05-03+02:00<")], ["date"], "2026-05-03"),
        ([(TYPE, basic("DueDate", "2026-06-01") + TYPE)], ["due_date"], "2026-06-01"),
        ([(">380<", ">381<")], ["kind"], "credit_note"),
        ([(">380<", ">384<")], ["kind"], "invoice"),
        ([("Elbe Castings AG", "")], ["seller", "name"], "Elbe"),
        ([(NOTE, group("PayeeParty", group("PartyName", basic("Name", "Bank"))))], ["payee"], "Bank"),
        ([("<!--totals-->", basic("PrepaidAmount", "1.5", "EUR"))], ["prepaid"], eur(150)),
        ([("<!--totals-->", basic("PayableRoundingAmount", "-0.01", "EUR"))], ["rounding"], eur(-1)),
        ([(">25<", ">25.123456789<")], ["lines", 0, "unit_price"], "25.123456789"),
        ([(PRICE, PRICE + basic("BaseQuantity", "100"))], ["lines", 0, "base_quantity"], "100"),
        ([(">8<", ">-8.50<")], ["lines", 0, "quantity"], "-8.5"),
        ([("<!--line-->", group("OrderLineReference", basic("LineID", "3")))], ["lines", 0, "order_line"], "3"),
        ([(">200.00<", ">200.000<")], ["net"], eur(20000)),
        ([(">200.00<", "> 200 <")], ["net"], eur(20000)),
        ([(">200.00<", ">2<!-- -->00.<")], ["net"], eur(20000)),
        ([(">200.00<", ">-200.00<")], ["net"], eur(-20000)),
        ([(">200.00<", "><![CDATA[200.00]]><")], ["net"], eur(20000)),
    ],
)  # fmt: skip
def test_every_part_is_read_as_it_stands(
    pairs: list[tuple[str, str]], path: list[str | int], expected: object
) -> None:
    found = read_invoice(changed(*pairs))
    for step in path:
        found = found[step]
    assert found == expected


@pytest.mark.parametrize("category", ["Z", "E", "AE", "K", "G", "O"])
def test_categories_without_vat_may_leave_the_rate_out(category: str) -> None:
    data = read_invoice(
        changed(
            (">S<", f">{category}<"),
            ("<cbc:Percent>19</cbc:Percent>", ""),
            ("<cbc:Percent>19.0</cbc:Percent>", ""),
        )
    )
    assert data["vat_breakdown"][0]["category"] == data["lines"][0]["vat_category"] == category
    assert data["vat_breakdown"][0]["rate"] == data["lines"][0]["vat_rate"] == "0"


def test_allowances_and_charges_are_kept_apart_on_the_line_and_on_the_whole() -> None:
    tax = group("TaxCategory", basic("ID", "S"), basic("Percent", "7"))
    on_line = adjustment("false", "3.00") + adjustment("0", "1.00") + adjustment("true", "0.50")
    on_whole = adjustment("true", "9.99", tax) + adjustment("1", "1", tax) + adjustment("false", "2", tax)
    data = read_invoice(changed(("<!--line-->", on_line), (NOTE, on_whole)))
    assert (data["lines"][0]["allowance"], data["lines"][0]["charge"]) == (eur(400), eur(50))
    found = [(each["kind"], each["amount"]["minor"], each["vat_rate"]) for each in data["adjustments"]]
    assert found == [("charge", 999, "7"), ("charge", 100, "7"), ("allowance", 200, "7")]


def test_prefixes_mean_nothing_and_addresses_everything() -> None:
    other = changed(("cbc:", "a:"), ("cac:", "b:"), ("xmlns:cbc", "xmlns:a"), ("xmlns:cac", "xmlns:b"))
    assert read_invoice(other) == read_invoice(INVOICE.encode())
    foreign = changed(("xsd:CommonBasicComponents-2", "xsd:SomethingElse-2"))
    assert refusal(foreign) == ("malformed", "The invoice has no currency (cbc:DocumentCurrencyCode).")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_other_encodings_say_the_same(encoding: str) -> None:
    declared = encoding.removesuffix("-sig").upper()
    text = INVOICE.replace('encoding="UTF-8"', f'encoding="{declared}"').replace("Dresden", "Köln")
    assert read_invoice(text.encode(encoding))["seller"]["city"] == "Köln"


@pytest.mark.parametrize(
    ("currency", "amounts", "net"),
    [("JPY", ("200", "38", "238"), 200), ("TND", ("200.125", "38.000", "238.125"), 200125)],
)
def test_a_currency_has_the_digits_that_iso_4217_gives_it(
    currency: str, amounts: tuple[str, ...], net: int
) -> None:
    data = changed(
        (">EUR<", f">{currency}<"), ('"EUR"', f'"{currency}"'), (">200.00<", f">{amounts[0]}<"),
        (">38.00<", f">{amounts[1]}<"), (">238.00<", f">{amounts[2]}<"),
    )  # fmt: skip
    assert read_invoice(data)["net"] == {"minor": net, "currency": currency}


def test_the_vat_for_the_tax_office_is_not_the_vat_of_the_invoice() -> None:
    office = '<cac:TaxTotal><cbc:TaxAmount currencyID="SEK">400.00</cbc:TaxAmount></cac:TaxTotal>'
    data = changed(("<!--adjustments-->", f"<!--adjustments-->{office}"))
    assert read_invoice(data)["vat"] == eur(3800)
    code, message = refusal(changed(("<!--adjustments-->", office.replace("SEK", "EUR"))))
    assert (code, message) == ("malformed", "The invoice has 2 VAT totals in EUR; one is meant.")


def test_accounts_are_ibans_and_the_others_are_named() -> None:
    more = "</cac:PayeeFinancialAccount></cac:PaymentMeans><cac:PaymentMeans><cac:PayeeFinancialAccount>"
    data = changed(("0987 64</cbc:ID>", f"0987 64</cbc:ID>{more}<cbc:ID>NO9386011117947</cbc:ID>"))
    assert read_invoice(data)["other_accounts"] == ["NO9386011117947"]
    assert "account" not in read_invoice(changed(("DE02 8505 0300 0221 0987 64", "12345-6")))


def test_a_credit_note_is_one_by_its_root() -> None:
    note = changed(
        ("<Invoice", "<CreditNote"),
        ("</Invoice>", "</CreditNote>"),
        ("xsd:Invoice-2", "xsd:CreditNote-2"),
        ("InvoiceTypeCode", "CreditNoteTypeCode"),
        (">380<", ">381<"),
        ("cac:InvoiceLine", "cac:CreditNoteLine"),
        ("InvoicedQuantity", "CreditedQuantity"),
    )
    data = read_invoice(note)
    assert (data["kind"], data["lines"][0]["quantity"]) == ("credit_note", "8")


@pytest.mark.parametrize(
    "element",
    [
        "cbc:IssueDate", "cbc:InvoiceTypeCode", "cbc:DocumentCurrencyCode",
        "cac:AccountingSupplierParty", "cac:AccountingCustomerParty", "cac:TaxTotal",
        "cac:LegalMonetaryTotal", "cac:InvoiceLine", "cac:Price",
        "cbc:LineExtensionAmount", "cbc:TaxExclusiveAmount", "cbc:TaxInclusiveAmount", "cbc:PayableAmount",
        "cbc:InvoicedQuantity", "cac:ClassifiedTaxCategory", "cac:TaxCategory", "cbc:TaxableAmount",
    ],
)  # fmt: skip
def test_what_an_invoice_must_have_is_missed_in_words(element: str) -> None:
    code, message = refusal(without(element))
    assert code == "malformed"
    assert message[0].isupper()
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("pairs", "code", "words"),
    [
        ([(">EUR<", ">XYZ<")], "unsupported", "'XYZ' is not known"),
        ([(">38.00<", ">38.001<")], "unsupported", "more digits than EUR has (2)"),
        ([(">238.00<", ">99999999999999.00<")], "unsupported", "beyond every amount"),
        ([(">238.00<", f">{'9' * 40}<")], "unsupported", "decimal number"),
        ([(">238.00<", ">2.38E2<")], "unsupported", "not a decimal number"),
        ([(">238.00<", ">238,00<")], "unsupported", "not a decimal number"),
        ([(">238.00<", ">NaN<")], "unsupported", "not a decimal number"),
        ([(">238.00<", ">٢٣٨<")], "unsupported", "not a decimal number"),
        ([(">8<", ">eight<")], "malformed", "quantity of line 1"),
        ([(">RE-1<", ">\u200b<")], "malformed", "no visible character"),
        ([("Elbe Castings AG", "\u200b"), ("Elbe", "\u200b")], "malformed", "does not name its seller"),
        ([('InclusiveAmount currencyID="E', 'InclusiveAmount currencyID="P')], "malformed", "in PUR, the"),
        ([('PriceAmount currencyID="EUR"', "PriceAmount")], "malformed", "in no currency"),
        ([(">2026-05-03<", ">2026-02-30<")], "malformed", "is not a date"),
        ([(">2026-05-03<", ">03.05.2026<")], "malformed", "is not a date"),
        ([(">380<", ">325<")], "unsupported", "a proforma invoice"),
        ([("<cbc:ID>S</cbc:ID>", "<cbc:ID>XX</cbc:ID>")], "unsupported", "not one of EN 16931"),
        ([(SCHEME, SCHEME.replace("VAT", "GST"))], "unsupported", "is not VAT"),
        ([("<cbc:Percent>19</cbc:Percent>", "")], "malformed", "rate of the VAT breakdown is missing"),
        ([("<!--line-->", adjustment("maybe", "1"))], "malformed", "does not say"),
        ([(PRICE, PRICE + basic("BaseQuantity", "0"))], "malformed", "must be above zero"),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_exactly_is_refused(pairs: list[tuple[str, str]], code: str, words: str) -> None:
    found, message = refusal(changed(*pairs))
    assert found == code
    assert words in message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "malformed"),
        (b"%PDF-1.7", "malformed"),
        (b"<html><body/></html>", "not_an_invoice"),
        (b"<Invoice><ID>1</ID></Invoice>", "not_an_invoice"),
        (changed(("xsd:Invoice-2", "xsd:Order-2")), "not_an_invoice"),
        (INVOICE.encode()[:900], "malformed"),
        (INVOICE.encode() + b"<more/>", "malformed"),
        (changed(('encoding="UTF-8"', 'encoding="klingon"')), "malformed"),
        (INVOICE.encode().replace(b"Dresden", b"K\xf6ln"), "malformed"),
        (changed(("?>\n", "?>\n<!DOCTYPE Invoice>\n")), "hostile"),
        (changed(("?>\n", '?>\n<!DOCTYPE Invoice SYSTEM "http://127.0.0.1:1/x.dtd">\n')), "hostile"),
        (changed((HEAD, f'{HEAD}<!DOCTYPE I [<!ENTITY x SYSTEM "file:///etc/passwd">]>')), "hostile"),
        (changed((">RE-1<", ">&undefined;<")), "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_invoice_is_named_for_what_it_is(data: bytes, code: str) -> None:
    assert refusal(data)[0] == code


BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
ATTRIBUTES = [f"a{number}=''" for number in range(500_000)]
HOSTILE = {
    "billion laughs": lambda: changed(
        ("?>\n", f'?>\n<!DOCTYPE I [<!ENTITY l0 "ha">{BOMB}]>\n'), (">RE-1<", ">&l11;<")
    ),
    "deep nesting": lambda: changed((NOTE, "<cac:X>" * 200_000)),
    "deep where nobody looks": lambda: changed((NOTE, "<x>" * 200_000)),
    "many elements": lambda: changed((NOTE, "<cac:X/>" * 1_000_000)),
    "a long text": lambda: changed((">RE-1<", f">{'1' * 10_000_000}<")),
    "a long tag": lambda: changed((NOTE, f"<cac:X a='{'x' * 20_000_000}'/>")),
    "many attributes": lambda: changed((NOTE, f"<cac:X {' '.join(ATTRIBUTES)}/>")),
    "a long comment": lambda: changed((NOTE, f"<!--{'x' * 20_000_000}-->")),
    "too many bytes": lambda: INVOICE.encode() + b" " * 33 * 1024 * 1024,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_do_harm_costs_little_time(name: str) -> None:
    data = HOSTILE[name]()
    begun = time.perf_counter()
    assert refusal(data)[0] == "hostile"
    assert time.perf_counter() - begun < 10  # a second or less by itself; the machine may be busy


@pytest.mark.parametrize("name", ["a long tag", "many attributes", "a long text", "a long comment"])
def test_what_is_made_to_do_harm_costs_little_memory(name: str) -> None:
    data = HOSTILE[name]()
    tracemalloc.start()
    assert refusal(data)[0] == "hostile"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_an_attachment_of_many_megabytes_is_passed_over() -> None:
    content = "QUJD" * 5_000_000
    file = group("Attachment", basic("EmbeddedDocumentBinaryObject", content))
    attached = group("AdditionalDocumentReference", basic("ID", "scan"), file)
    data = changed(("<cac:AccountingSupplierParty>", f"{attached}<cac:AccountingSupplierParty>"))
    tracemalloc.start()
    assert read_invoice(data) == read_invoice(INVOICE.encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_more_lines_than_a_portal_takes_are_not_supported() -> None:
    line = INVOICE[INVOICE.index("<cac:InvoiceLine>") : INVOICE.index("</Invoice>")]
    data = INVOICE.replace(line, line * 1001).encode()
    assert refusal(data) == ("unsupported", "The invoice has 1001 lines; at most 1000 are read.")


ODD = st.sampled_from(
    ["", "0", "-1", "1e9", "9" * 31, "0.0000000001", "NaN", "\u202e", "<x/>", "&amp;", "]]>", "\x00"]
)
CODES = {"malformed", "hostile", "not_an_invoice", "unsupported"}


def assert_read_or_refused(data: bytes) -> None:
    code = ""
    try:
        found = read_invoice(data)
    except CannotRead as refused:
        code = refused.code
    else:
        assert all(each["message"] for each in findings(found))
        assert argument_errors(ANSWERS["read"], found) == []
    assert code in {"", *CODES}


@given(st.lists(st.tuples(st.integers(0, len(INVOICE)), st.integers(0, 60), ODD), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_whatever_is_done_to_a_file_it_is_read_or_refused(cuts: list[tuple[int, int, str]]) -> None:
    text = INVOICE
    for start, length, put in cuts:
        text = text[:start] + put + text[start + length :]
    assert_read_or_refused(text.encode())


VALUES = st.one_of(st.decimals(allow_nan=True).map(str), st.text(max_size=40), ODD)


@given(st.sampled_from([">8<", ">25<", ">200.00<", ">19<", ">RE-1<", ">EUR<", ">S<", ">PO-7<"]), VALUES)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_an_element_it_is_read_or_refused(place: str, value: str) -> None:
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace("\x00", "")
    assert_read_or_refused(INVOICE.replace(place, f">{escaped}<").encode("utf-8", "replace"))
