"""Everything the workforce room remembers; one module per aggregate."""

from __future__ import annotations

from agents.models.agent import Agent, AgentGroupObjectPermission, AgentUserObjectPermission
from agents.models.authority import AuthorityVersion
from agents.models.calendar import Calendar
from agents.models.change_request import ChangeRequest
from agents.models.company import CompanySettings, ExchangeRate
from agents.models.contract import ContractSignature
from agents.models.employment import TERM_FIELDS, Certificate, LifecycleTerms
from agents.models.enforcement import Acknowledgement, EnforcementPoint
from agents.models.measure import Measure, MeasureCounter, Reservation
from agents.models.model_use import ModelUse
from agents.models.oauth import AccessToken, ClientSecret, Grant, IDToken, OAuthApplication, RefreshToken
from agents.models.organisation import Department, Role
from agents.models.policy import (
    Policy,
    PolicyGroupObjectPermission,
    PolicyUserObjectPermission,
    PolicyVersion,
    Rule,
)
from agents.models.saved_view import SavedView
from agents.models.scope import PolicyScope
from agents.models.stop import Stop
from agents.models.throttle import Throttle
from agents.models.user import User

__all__ = [
    "TERM_FIELDS",
    "AccessToken",
    "Acknowledgement",
    "Agent",
    "AgentGroupObjectPermission",
    "AgentUserObjectPermission",
    "AuthorityVersion",
    "Calendar",
    "Certificate",
    "ChangeRequest",
    "ClientSecret",
    "CompanySettings",
    "ContractSignature",
    "Department",
    "EnforcementPoint",
    "ExchangeRate",
    "Grant",
    "IDToken",
    "LifecycleTerms",
    "Measure",
    "MeasureCounter",
    "ModelUse",
    "OAuthApplication",
    "Policy",
    "PolicyGroupObjectPermission",
    "PolicyScope",
    "PolicyUserObjectPermission",
    "PolicyVersion",
    "RefreshToken",
    "Reservation",
    "Role",
    "Rule",
    "SavedView",
    "Stop",
    "Throttle",
    "User",
]
