"""`clf tui --serve`: the full-screen app in a browser on this machine, for whoever holds the token of the address.

textual-serve starts one `clf tui` for each page and carries its bytes over a websocket. Around it stand three checks
that every request must pass, the page, its files and the websocket alike: the Host names this machine (another name
that was made to point here is DNS rebinding), a websocket comes from our own page, and the token is right.
"""

from __future__ import annotations

import asyncio
import copy
import hmac
import logging
import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from recipes.errors import ClfError, UsageError
from recipes.home import Home

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("served")  # textual-serve's own asks another host for its font, and never for the focus
NAMES = frozenset({HOST, "localhost"})  # an SSH tunnel may give the port another number, but not another name
LEAVE_SECONDS = 0.5  # that open pages get to say goodbye, twice: before they are told to and after
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


def serve(home: Home, *, port: int = 8000, read_only: bool = False, say: Callable[[str], None] = print) -> None:
    """Serve until SIGINT or SIGTERM; `say` is given the address with its token once the port is open (0: any port).

    Raises ClfError when textual-serve is not installed or the port is taken.
    """
    if find_spec("textual_serve") is None:
        raise ClfError(
            "the browser needs textual-serve, which is not installed", "in clf's environment: pip install textual-serve"
        )
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: a port is between 0 and 65535", "leave it out for 8000")
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    os.environ.setdefault("CLF_ASCII", "0")  # a browser has Unicode whatever this terminal's encoding
    asyncio.run(_serve(command(home, read_only), port, secrets.token_urlsafe(24), say))


def command(home: Home, read_only: bool) -> str:
    """What a page runs, for the shell; `exec` keeps that shell from standing between the server and the app."""
    words = [sys.executable, "-P", "-m", "tui.cli", "--home", str(home.root), "tui"]
    words += ["--read-only"] if read_only else []
    return subprocess.list2cmdline(words) if os.name == "nt" else f"exec {shlex.join(words)}"


async def _serve(app_command: str, port: int, token: str, say: Callable[[str], None]) -> None:
    from aiohttp import web

    application = await _application(app_command, token)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=LEAVE_SECONDS)  # a log would hold the token
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        address = f"http://{HOST}:{runner.addresses[0][1]}/?token={token}"
        say(f"clf is at {address}")
        say("only from this machine; whoever has the address can do what you can. ctrl+c ends it, training goes on")
        await _asked_to_stop()
    except OSError as error:
        raise ClfError(
            f"port {port} cannot be used: {error.strerror or error}", "choose another with --port"
        ) from error
    finally:
        await runner.cleanup()


async def _asked_to_stop() -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: ctrl+c arrives as KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def _application(app_command: str, token: str) -> web.Application:
    """textual-serve's application behind the three checks."""
    from textual_serve.server import Server

    class Local(Server):
        """Addresses as the browser has them, and no banner."""

        async def on_startup(self, app: web.Application) -> None:
            del app

        async def handle_index(self, request: web.Request) -> Any:
            page = copy.copy(self)
            page.public_url = f"http://{request.host}"  # behind an SSH tunnel the port may be another one
            return await Server.handle_index(page, request)

    application = await Local(app_command, host=HOST, title="clf", templates_path=PAGE)._make_app()
    application.middlewares.append(_guard(token))
    return application


def _guard(token: str) -> Any:
    """The middleware that answers 403 to everything but our own browser with the token."""
    from aiohttp import web

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _local(request):
            raise web.HTTPForbidden(text="403: this page answers to 127.0.0.1 and localhost only\n", headers=HEADERS)
        name = f"clf-{urlsplit(f'//{request.host}').port or 80}"  # cookies do not tell ports apart
        if _same(request.query.get("token", ""), token) and request.path == "/":
            entered = web.HTTPSeeOther("/", headers=HEADERS)  # the token leaves the address bar and the history
            entered.set_cookie(name, token, httponly=True, samesite="Lax", path="/")  # Strict: no link could lead here
            raise entered
        given = request.cookies.get(name) or request.query.get("token", "")
        if not _same(given, token):
            raise web.HTTPForbidden(
                text="403: open the whole address that clf printed, with its token\n", headers=HEADERS
            )
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guard


def _local(request: web.Request) -> bool:
    """The Host is this machine by name, and a page that asks is one of ours."""
    try:
        asked = urlsplit(f"//{request.host}")
        named = asked.hostname in NAMES and asked.port != 0  # reading a port that is no number raises, too
    except ValueError:
        return False
    origin = request.headers.get("Origin")
    return named and (origin is None or origin == f"http://{request.host}")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
