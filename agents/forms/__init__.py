"""What people fill in: every form asks why, and none decides anything itself."""

from __future__ import annotations

from agents.forms.coded import CodedForm, PolicyForm, scope_label
from agents.forms.company import MILLIONTHS, CalendarForm, CompanyForm, ExchangeRateForm
from agents.forms.employment import AutonomyForm, DemotionForm, LifetimeForm, ReassignForm, TermsForm, wanted
from agents.forms.limits import KEYS_IN_WORDS, MeasureForm, ceiling_in, ceiling_of, counted
from agents.forms.people import NewPersonForm, PersonForm, SignInForm, active_people, groups_of_people
from agents.forms.stops import StopForm, ThrottleForm

__all__ = [
    "KEYS_IN_WORDS",
    "MILLIONTHS",
    "AutonomyForm",
    "CalendarForm",
    "CodedForm",
    "CompanyForm",
    "DemotionForm",
    "ExchangeRateForm",
    "LifetimeForm",
    "MeasureForm",
    "NewPersonForm",
    "PersonForm",
    "PolicyForm",
    "ReassignForm",
    "SignInForm",
    "StopForm",
    "TermsForm",
    "ThrottleForm",
    "active_people",
    "ceiling_in",
    "ceiling_of",
    "counted",
    "groups_of_people",
    "scope_label",
    "wanted",
]
