"""How the house is wired. Everything that differs between installations comes from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from environs import Env, validate

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
DATA_DIR = Path(env.str("AUTONOMY_DATA_DIR", str(BASE_DIR / "var"))).resolve()
# Written with mode 0600 at the first start: generated keys and the addresses of the embedded services.
env.read_env(str(DATA_DIR / "portal.env"), recurse=False)

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")

# --- Database: three roles on one database (owner migrates, app works, sequencer numbers the ledger).
DATABASE_ROLE = os.environ.get("DATABASE_ROLE", "app")
DATABASE_URLS = {
    "app": env.str("DATABASE_URL"),
    "owner": env.str("DATABASE_OWNER_URL", default=env.str("DATABASE_URL")),
    "sequencer": env.str("DATABASE_SEQUENCER_URL", default=env.str("DATABASE_URL")),
}
DATABASES = {
    "default": dj_database_url.parse(DATABASE_URLS[DATABASE_ROLE], conn_max_age=300, conn_health_checks=True)
}
# A database that is gone without a word is noticed, whoever waits for an answer of it (seconds, milliseconds).
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
    **DATABASES["default"].get("OPTIONS", {}),
}
DATABASE_ROLE_NAMES = {
    role: str(dj_database_url.parse(url).get("USER", "")) for role, url in DATABASE_URLS.items()
}
REDIS_URL = env.str("REDIS_URL")

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "agents.User"
# The backend of our own is guardian's, with what it knows kept for one look at a page.
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "agents.permissions.ObjectBackend",
    "agents.permissions.SponsorBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False

DEMO_COMPANY = env.bool("DEMO_COMPANY", default=False)
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "autonomy.apps.PortalAdminConfig",
    # Before the framework's own: its commands that make and change accounts are ours, and recorded.
    "autonomy",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "simple_history",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "django_htmx",
    "csp",
    "audit",
    "agents",
    "connectors",
    "workflows",
    "workflows.tasks",
    "workflows.documents",
    "workflows.approvals",
    "workflows.actions",
    "workflows.runs",
    "workflows.triggers",
    "workflows.backtests",
    "workflows.appeals",
    "workflows.notices",
    "workflows.staffing",
    "workflows.search",
    *(["workflows.demo"] if DEMO_COMPANY else []),
]
MIDDLEWARE = [
    "autonomy.middleware.OneCause",
    "autonomy.middleware.RefuseNul",
    "autonomy.middleware.StoreNoAnswer",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "autonomy.middleware.OneLook",
    "autonomy.middleware.ReaderClock",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "autonomy.urls"
ASGI_APPLICATION = "autonomy.asgi.application"
WSGI_APPLICATION = "autonomy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "autonomy.templates.ReaderTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["autonomy.templates.OwnTemplates", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "builtins": ["audit.templatetags.said", "workflows.templatetags.portal_text"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

LANGUAGE_CODE = "en"
FORM_RENDERER = "autonomy.renderer.ReaderWidgets"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "autonomy" / "locale"]
FORMAT_MODULE_PATH = "autonomy.formats"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "autonomy" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = DATA_DIR / "media"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "home"

# --- The admin theme; menu, counts and marks come from autonomy.ui.
UNFOLD = {
    "SITE_TITLE": "Autonomy OS",
    "SITE_HEADER": "Autonomy OS",
    "SITE_SUBHEADER": "The agents of your company",
    "SITE_URL": None,
    "SITE_ICON": "autonomy.ui.site_icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "autonomy.ui.site_icon"}],
    "ENVIRONMENT": "autonomy.ui.environment",
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"image": None, "redirect_after": None, "form": "agents.forms.SignInForm"},
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.4% .013 255)",
            "100": "oklch(94.3% .03 255)",
            "200": "oklch(89.2% .057 255)",
            "300": "oklch(82.3% .096 255)",
            "400": "oklch(74% .137 255)",
            "500": "oklch(66% .16 255)",
            "600": "oklch(51.5% .165 257)",
            "700": "oklch(46% .15 257)",
            "800": "oklch(40.5% .125 257)",
            "900": "oklch(35.5% .1 257)",
            "950": "oklch(26.5% .075 258)",
        },
    },
    "ACCOUNT": {"navigation": "autonomy.ui.account"},
    "GLOBAL_CALLBACK": "autonomy.ui.everywhere",
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "autonomy.ui.navigation"},
}

# --- Security headers (ui.md: the admin runs under the same strict policy as every other page).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, NONCE],
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = True
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_REFERRER_POLICY = "same-origin"
SIMPLE_HISTORY_REVERT_DISABLED = True

# --- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "agents.authentication.AgentTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["autonomy.api_root.DenyByDefault"],
    "DEFAULT_PARSER_CLASSES": ["autonomy.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "autonomy.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "autonomy.problems.problem_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Autonomy OS API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "workflows.api.openapi.as_answered",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ApprovalState": "workflows.approvals.models.Approval.State",
        "BreachThen": "agents.models.LifecycleTerms.BreachThen",
        "ChangeState": "agents.models.ChangeRequest.State",
        "RejectCode": "workflows.approvals.models.RejectCode",
        "RunState": "workflows.runs.choices.RunState",
        "StepState": "workflows.runs.choices.StepState",
        "StopScope": "agents.models.Stop.ScopeKind",
        "TaskState": "workflows.tasks.models.Task.State",
        "ThrottleScope": "agents.models.Throttle.ScopeKind",
        "TriggerOutcome": "workflows.triggers.choices.Outcome",
        "VersionState": "workflows.runs.choices.VersionState",
        "VoteVerdict": "workflows.approvals.models.Vote.Verdict",
    },
}

# --- OAuth: client credentials only; short opaque tokens, stored as checksums, checked at every call.
OAUTH2_PROVIDER_APPLICATION_MODEL = "agents.OAuthApplication"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "agents.AccessToken"  # noqa: S105 - the name of a model
OAUTH2_PROVIDER_GRANT_MODEL = "agents.Grant"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "agents.RefreshToken"  # noqa: S105 - the name of a model
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "agents.IDToken"  # noqa: S105 - the name of a model
# Five of its six models are ours. Its own 16 migrations render every model that refers to a user many times
# (two thirds of the time of a first start) to make one table: one migration makes that.
MIGRATION_MODULES = {"oauth2_provider": "autonomy.oauth_tables.migrations"}
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "agents.authentication.ClientCredentialsValidator",
    "ACCESS_TOKEN_GENERATOR": "agents.services.credentials.new_access_token",
    # Five minutes at most: how long a token that nobody revoked can outlive its welcome.
    "ACCESS_TOKEN_EXPIRE_SECONDS": min(env.int("ACCESS_TOKEN_SECONDS", default=300), 300),
    "OAUTH_PRE_TOKEN_VALIDATION": [],
    "SCOPES": {"portal": "What the agent's own authority allows, no more."},
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["client_credentials"],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": [],
    # RFC 9700, every gate of the toolkit.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}

# --- Secrets of enterprise systems: base64 keys of 32 bytes that wrap them; the first one writes, all can read.
CONNECTOR_KEKS: list[str] = env.list("CONNECTOR_KEKS", default=[])

# --- What of the ledger leaves the house (docs/ledger-outside.md): where checkpoints go, where events go, and
# certificates (PEM) that are believed beside the well-known ones.
LEDGER_SINKS: list[str] = env.list("LEDGER_SINKS", default=[f"folder:{quote(str(DATA_DIR / 'checkpoints'))}"])
LEDGER_STREAMS: list[str] = env.list("LEDGER_STREAMS", default=[])
LEDGER_CA_FILE = env.str("LEDGER_CA_FILE", default="")

# --- Celery: a message is only a hint, PostgreSQL holds the truth (workflow.md 3.13).
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    # What a killed worker had taken is handed out again after that, and so many seconds.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # How long a worker waits for a message before it asks again (seconds); a message ends the wait.
    "polling_interval": 5,
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
# With REMAP_SIGTERM=SIGQUIT (see autonomy.launch.programs): a stop waits so long for a running task.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
# Celery's own part for Django closes the connection to the database before and after each job; instead of it
# autonomy.celery drops only what cannot be used.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_TIMEZONE = "UTC"
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=3)
# How often each process says that it lives and which stops it has seen (seconds).
HEARTBEAT_SECONDS = env.float("HEARTBEAT_SECONDS", default=3)
# Sends what follows only when there is something to do, and at least every so many seconds whatever it thinks.
CELERY_BEAT_SCHEDULER = "autonomy.clock:Clock"
SWEEP_ANYWAY_SECONDS = env.int("SWEEP_ANYWAY_SECONDS", default=30)
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "workflows.actions.jobs.sweep",
        "schedule": SWEEP_SECONDS,
        # A sweep that nobody could run is worth nothing once the next one is due.
        "options": {"expires": SWEEP_SECONDS * 4},
    },
    "scan-folders": {
        "task": "workflows.triggers.jobs.scan",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 2},
    },
    "fire-schedules": {
        "task": "workflows.triggers.jobs.fire",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 4},
    },
    "react-to-events": {
        "task": "workflows.triggers.jobs.react",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 4},
    },
    "forget-old-logs": {
        "task": "workflows.triggers.jobs.forget",
        "schedule": 3600,
        "options": {"expires": 3600},
    },
    "erase-what-is-old": {
        "task": "audit.jobs.erase_expired",
        "schedule": 24 * 3600,
        "options": {"expires": 24 * 3600},
    },
    "go-on-with-backtests": {
        "task": "workflows.backtests.jobs.sweep",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 4},
    },
    "tell-people": {
        "task": "workflows.notices.jobs.tell",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 4},
    },
    "employment-of-agents": {
        "task": "workflows.staffing.jobs.sweep",
        "schedule": 120,
        "options": {"expires": 240},
    },
    "appeals-that-wait": {
        "task": "workflows.appeals.jobs.sweep",
        "schedule": 300,
        "options": {"expires": 600},
    },
    "look-for-quick-decisions": {
        "task": "workflows.approvals.jobs.look",
        "schedule": 3600,
        "options": {"expires": 3600},
    },
    "sweep-runs": {
        "task": "workflows.runs.jobs.sweep",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS * 4},
    },
}

# --- Actions and approvals (seconds). Both end by themselves; an end that nobody decided is a refusal.
# After so long operators are told of work that no agent can take.
UNCLAIMED_SECONDS = env.int("UNCLAIMED_SECONDS", default=60)
AUTHORIZATION_SECONDS = env.int("AUTHORIZATION_SECONDS", default=300)
APPROVAL_SECONDS = env.int("APPROVAL_SECONDS", default=3 * 24 * 3600)
# How many denials an agent may contest in any 24 hours, after how many days an answer is due, and how many
# appeals on one ground (by two agents, or on two days) become a proposed change.
APPEALS_PER_DAY = env.int("APPEALS_PER_DAY", default=20)
APPEAL_DAYS = env.int("APPEAL_DAYS", default=7)
APPEALS_FOR_A_PROPOSAL = env.int("APPEALS_FOR_A_PROPOSAL", default=3)
# What a rule does not say itself: after which share (percent) of the time people are reminded, 0 never; after
# how many seconds which group may approve in place of the one that is asked, 0 never.
APPROVAL_REMIND_SHARE = env.int("APPROVAL_REMIND_SHARE", default=50)
APPROVAL_ESCALATE_SECONDS = env.int("APPROVAL_ESCALATE_SECONDS", default=0)
APPROVAL_ESCALATE_GROUP = env.str("APPROVAL_ESCALATE_GROUP", default="")
# For how many days at most the like of a request may be approved in advance.
STANDING_APPROVAL_DAYS = env.int("STANDING_APPROVAL_DAYS", default=90)
# How long it counts that somebody has shown again who they are (30 seconds to an hour), and for which effects
# whoever approves must have done so, beside what rules ask for: e.g. destructive,financial.
STEP_UP_SECONDS = env.int("STEP_UP_SECONDS", default=300)
STEP_UP_EFFECTS: list[str] = env.list("STEP_UP_EFFECTS", default=[])
# Whether those seconds, and how long an approval waits at most, pass at any time (wall) or in working hours
# (working), by the calendar of the department or the company.
APPROVAL_CLOCK = env.str("APPROVAL_CLOCK", default="wall")
# From when on a person's decisions count as too quick to have been read: of so many in a period, half took
# fewer seconds, or so many percent were approved without being open. Their manager is told once a period.
QUICK_DECISIONS = env.int("QUICK_DECISIONS", default=20)
QUICK_DECISION_SECONDS = env.float("QUICK_DECISION_SECONDS", default=5)
QUICK_UNOPENED_PERCENT = env.int("QUICK_UNOPENED_PERCENT", default=80)
QUICK_PERIOD_DAYS = env.int("QUICK_PERIOD_DAYS", default=7)
# How old the figures of "How approvals go" may be; the page says as of when they are.
APPROVALS_LOAD_SECONDS = env.int("APPROVALS_LOAD_SECONDS", default=60)
DEFAULT_APPROVER_GROUP = env.str("DEFAULT_APPROVER_GROUP", default="Approvers")
CHANGE_APPROVER_GROUP = env.str("CHANGE_APPROVER_GROUP", default="Approvers")
INCIDENT_GROUP = env.str("INCIDENT_GROUP", default="Operators")

# --- Mail. Without a server nothing is sent; Django's own SMTP backend sends it (docs/notices.md).
EMAIL_HOST = env.str("SMTP_HOST", default="")
EMAIL_PORT = env.int("SMTP_PORT", default=587)
EMAIL_HOST_USER = env.str("SMTP_USER", default="")
EMAIL_HOST_PASSWORD = env.str("SMTP_PASSWORD", default="")
SMTP_SECURITY = env.str(
    "SMTP_SECURITY", default="starttls", validate=validate.OneOf(["starttls", "tls", "none"])
)
EMAIL_USE_TLS = SMTP_SECURITY == "starttls"
EMAIL_USE_SSL = SMTP_SECURITY == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="autonomy@localhost")

# --- Documents: bytes under their SHA-256 in the data folder; larger ones are refused (bytes).
INCOMING_DIR = Path(env.str("INCOMING_DIR", default=str(DATA_DIR / "incoming")))
DOCUMENT_MOST_BYTES = env.int("DOCUMENT_MOST_BYTES", default=25 * 1024 * 1024)

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # Its lines carry whole addresses, and what was searched for is in them.
    "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
}
