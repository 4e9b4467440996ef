"""The application: the API and the pages behind one guard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from unioneyes.console import api, approvals, audit, backups, chat, databases, edges, metrics, migrations, myself, pages, pods, recovery, sessions, sign_in
from unioneyes.console.control import Control
from unioneyes.console.description import describe, operation_id
from unioneyes.console.failures import answer_with_problems
from unioneyes.console.guard import LARGEST_REQUEST, Guard
from unioneyes.runbook.views import API_VERSION

STATIC = Path(__file__).parent / "static"

DESCRIPTION = """\
Every change is a run of a runbook: `POST /runs` starts one, or with `dry_run` returns its plan; its journal tells what happened.
Every failure is a problem document (RFC 9457) with a `remedy` and the command line's `exit_code`.
Every object says to which version of the API it belongs (`api`).
"""


ROUTERS = (
    *(api.router, pods.router, edges.router, databases.router, migrations.router, backups.router, recovery.router),
    *(sessions.router, audit.router, metrics.router, sign_in.router, approvals.router, myself.router, chat.router, pages.router),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """That the server answers."""

    status: Literal["ok"] = "ok"


class Application(FastAPI):
    """Its guard stands outside of everything: answers to what nobody foresaw are guarded too."""

    def openapi(self) -> dict[str, JsonValue]:
        """Return the description of the API; it is made when it is first asked for."""
        if self.openapi_schema is None:
            describe(super().openapi(), [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)])
        return super().openapi()

    def build_middleware_stack(self) -> ASGIApp:
        """Return what answers."""
        control: Control = self.state.control
        return Guard(super().build_middleware_stack(), hosts=control.hosts)


def build_app(control: Control) -> FastAPI:
    """Return the application that answers for `control`."""
    app = Application(
        title="UnionEyes production operations",
        version=API_VERSION,
        description=DESCRIPTION,
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=operation_id,
        max_body_size=LARGEST_REQUEST,
    )
    app.state.control = control
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.add_api_route(f"{api.PREFIX}/healthz", healthz, response_class=api.VersionedJson)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    answer_with_problems(app, pages.problem_page)
    return app


def healthz() -> Alive:
    """Return that the server answers. Asks for no token."""
    return Alive()
