"""The product's settings on the servers of the test harness; whatever the shell exports is left out."""

from __future__ import annotations

import os

from tests import harness

# Before the settings are read: they need the addresses. Workers of xdist inherit them.
harness.start_servers_once()
os.environ.update(harness.environment())

from autonomy.settings import *  # noqa: E402, F403

# Signing in is tested for its rules, not for the cost of its hash.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Every test client builds the handler anew; it need not read all static files each time.
WHITENOISE_AUTOREFRESH = True
# What one test decides the next would still find added up.
APPROVALS_LOAD_SECONDS = 0
