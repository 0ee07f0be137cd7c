"""The ASGI application."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from olearn_core import __version__
from olearn_core.api.access import Authentication
from olearn_core.api.documentation import documentation
from olearn_core.api.guesses import Guesses
from olearn_core.api.hosts import ForeignPages, HostCheck
from olearn_core.api.limits import Deadlines, Lanes, Rates
from olearn_core.api.observed import Observed
from olearn_core.api.openapi import document
from olearn_core.api.operations import HEALTHZ, OPERATIONS
from olearn_core.api.paths import KeptSlashes
from olearn_core.api.problems import HANDLERS
from olearn_core.service import Service

ACCESS_LEVELS = {"off": None, "debug": logging.DEBUG, "info": logging.INFO}


def create_app(service: Service) -> ASGIApp:
    """Return the application that answers for a service."""
    limits = service.settings.api
    app = Starlette(
        routes=routes(service),
        exception_handlers=HANDLERS,
        middleware=[
            Middleware(HostCheck, limits),
            *([] if service.settings.auth.enabled else [Middleware(ForeignPages)]),
            Middleware(Lanes, limits),
            Middleware(Deadlines, limits.request_timeout_seconds),
            Middleware(Authentication, service.authenticator, Guesses(limits)),
            Middleware(Rates, limits),
            Middleware(KeptSlashes),
        ],
    )
    level = ACCESS_LEVELS[service.settings.logging.access]
    return service.spans.around(Observed(app, service.instruments, service.spans, level))


def routes(service: Service) -> list[BaseRoute]:
    """Return everything that is served: the operations, and what describes them."""
    operations = [operation.route(service) for operation in (*OPERATIONS, HEALTHZ)]
    secured = service.settings.auth.enabled
    described = document(OPERATIONS, version=__version__, secured=secured)
    return [*operations, *documentation(described)]
