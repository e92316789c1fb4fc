from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.workflows.conftest import signed_in


@pytest.mark.django_db
def test_the_description_of_the_api_is_valid_openapi_3_1(carol: Any) -> None:
    response = signed_in(carol).get("/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    document = response.json()
    assert document["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert errors == []
    assert {"/api/v1/actions", "/api/v1/approvals/{approval_id}/votes"} <= set(document["paths"])


@pytest.mark.django_db
def test_the_description_is_for_those_who_are_signed_in(client: Any) -> None:
    assert client.get("/api/v1/schema").status_code == 401
