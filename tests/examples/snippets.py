"""One small valid invoice as text, and ways to change it."""

from __future__ import annotations

INVOICE = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>
  <cbc:ID>RE-1</cbc:ID>
  <cbc:IssueDate>2026-05-03</cbc:IssueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cac:OrderReference><cbc:ID>PO-7</cbc:ID></cac:OrderReference>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PartyName><cbc:Name>Elbe</cbc:Name></cac:PartyName>
    <cac:PostalAddress>
      <cbc:StreetName>Kai 1</cbc:StreetName><cbc:CityName>Dresden</cbc:CityName>
      <cbc:PostalZone>01067</cbc:PostalZone>
      <cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country>
    </cac:PostalAddress>
    <cac:PartyTaxScheme><cbc:CompanyID>201/113/40209</cbc:CompanyID>
      <cac:TaxScheme><cbc:ID>FC</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
    <cac:PartyTaxScheme><cbc:CompanyID>DE 264 837 152</cbc:CompanyID>
      <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
    <cac:PartyLegalEntity><cbc:RegistrationName>Elbe Castings AG</cbc:RegistrationName>
      <cbc:CompanyID>HRB 1</cbc:CompanyID></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty><cac:Party>
    <cac:PartyLegalEntity>
      <cbc:RegistrationName>Northwind Pumps GmbH</cbc:RegistrationName></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingCustomerParty>
  <cac:PaymentMeans><cbc:PaymentMeansCode>30</cbc:PaymentMeansCode>
    <cac:PayeeFinancialAccount><cbc:ID>DE02 8505 0300 0221 0987 64</cbc:ID></cac:PayeeFinancialAccount>
  </cac:PaymentMeans>
  <!--adjustments-->
  <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">38.00</cbc:TaxAmount>
    <cac:TaxSubtotal>
      <cbc:TaxableAmount currencyID="EUR">200.00</cbc:TaxableAmount>
      <cbc:TaxAmount currencyID="EUR">38.00</cbc:TaxAmount>
      <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory>
    </cac:TaxSubtotal>
  </cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">200.00</cbc:LineExtensionAmount>
    <cbc:TaxExclusiveAmount currencyID="EUR">200.00</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">238.00</cbc:TaxInclusiveAmount>
    <!--totals-->
    <cbc:PayableAmount currencyID="EUR">238.00</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
  <cac:InvoiceLine>
    <cbc:ID>1</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">8</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">200.00</cbc:LineExtensionAmount>
    <!--line-->
    <cac:Item><cbc:Name>Impellers</cbc:Name>
      <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19.0</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory>
    </cac:Item>
    <cac:Price><cbc:PriceAmount currencyID="EUR">25</cbc:PriceAmount></cac:Price>
  </cac:InvoiceLine>
</Invoice>
"""


def changed(*pairs: tuple[str, str], text: str = INVOICE) -> bytes:
    """Return the invoice with each text replaced everywhere; a text that is not in it fails the test."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def without(element: str) -> bytes:
    """Return the invoice without the first such element."""
    start = INVOICE.index(f"<{element}")
    end = INVOICE.index(f"</{element}>", start) + len(element) + 3
    return (INVOICE[:start] + INVOICE[end:]).encode()


def basic(name: str, text: str, currency: str = "") -> str:
    """Return one basic element."""
    stated = f' currencyID="{currency}"' if currency else ""
    return f"<cbc:{name}{stated}>{text}</cbc:{name}>"


def group(name: str, *inner: str) -> str:
    """Return one aggregate element."""
    return f"<cac:{name}>{''.join(inner)}</cac:{name}>"


def adjustment(indicator: str, amount: str, *more: str) -> str:
    """Return an allowance or a charge."""
    return group("AllowanceCharge", basic("ChargeIndicator", indicator), basic("Amount", amount, "EUR"), *more)
