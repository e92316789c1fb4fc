"""The map of the site: each room exports its own list."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from agents import urls as agents_urls
from audit import urls as audit_urls
from connectors import urls as connectors_urls
from workflows.api import urls as work_api
from workflows.urls import page_urlpatterns

handler400 = "autonomy.problems.bad_request"
handler404 = "autonomy.problems.page_not_found"
handler500 = "autonomy.problems.server_error"

urlpatterns = [
    path("", include(page_urlpatterns)),
    path("", include(audit_urls.page_urlpatterns)),
    # The list of tables is no place to begin: the home page is.
    path("admin/", RedirectView.as_view(pattern_name="home")),
    path("admin/", admin.site.urls),
    path("", include(agents_urls.urlpatterns)),
    path("api/v1/", include((agents_urls.api_urlpatterns, "agents-api"))),
    path("api/v1/", include((audit_urls.api_urlpatterns, "audit-api"))),
    path("api/v1/", include((connectors_urls.api_urlpatterns, "connectors-api"))),
    path("api/v1/", include((work_api.urlpatterns, "workflows-api"))),
]
