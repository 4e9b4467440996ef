"""Every vendor's simulator in one process: `python -m unioneyes.simulators.vendors --listen 127.0.0.1:PORT --folder DIR`."""

from __future__ import annotations

import argparse
import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from unioneyes.simulators import slack
from unioneyes.simulators.identity import Issuer


def application(folder: Path, *, url: str, slack_token: SecretStr | None, slack_app: slack.App | None = None) -> Starlette:
    """Return the vendors as one application that stands at `url` and keeps what it must in `folder`."""
    issuer = Issuer.open(folder, url=f"{url}/identity")
    workspace = slack.Workspace(folder)
    app = slack_app or slack.App(signing_secret=SecretStr(secrets.token_hex(16)))
    return Starlette(
        routes=[
            Route("/healthz", _healthz, methods=["GET"]),
            Mount("/identity", routes=issuer.routes()),
            Mount("/slack", routes=slack.routes(workspace, token=slack_token, app=app)),
        ],
    )


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "healthy"})


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m unioneyes.simulators.vendors", description="The vendors that the product talks to, simulated on loopback.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--reached-at", metavar="HOST", help="another address of this machine's, at which others on its network reach them too")
    parser.add_argument("--folder", required=True, type=Path, help="keys, received messages and violations are kept here")
    parser.add_argument("--slack-token-file", type=Path, help="the one bot token that Slack accepts; any xoxb- token when not given")
    parser.add_argument("--slack-signing-secret-file", type=Path, help="by which Slack signs what it tells our app; one that nobody knows when not given")
    parser.add_argument("--slack-request-url", help="where Slack tells our app what people do in it; nobody is told when not given")
    parser.add_argument("--slack-request-certificate", type=Path, help="the certificate that the server there shows; one that this machine trusts otherwise")
    asked = parser.parse_args()
    host, _, port = asked.listen.rpartition(":")
    slack_token = SecretStr(asked.slack_token_file.read_text().strip()) if asked.slack_token_file else None
    signing = asked.slack_signing_secret_file.read_text().strip() if asked.slack_signing_secret_file else secrets.token_hex(16)
    app = slack.App(signing_secret=SecretStr(signing), request_url=asked.slack_request_url, certificate=asked.slack_request_certificate)
    vendors = application(asked.folder, url=f"http://{asked.listen}", slack_token=slack_token, slack_app=app)
    config = uvicorn.Config(vendors, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    with ExitStack() as open_sockets:
        addresses = (host, *((asked.reached_at,) if asked.reached_at else ()))
        uvicorn.Server(config).run([open_sockets.enter_context(socket.create_server((address, int(port)), backlog=2048)) for address in addresses])


if __name__ == "__main__":
    main()
