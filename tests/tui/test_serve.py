"""`clf tui --serve` with real requests: nothing without the token, the app itself with it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

aiohttp = pytest.importorskip("aiohttp", reason="needs the extra clf[serve]")
pytest.importorskip("textual_serve", reason="needs the extra clf[serve]")

ROOT = Path(__file__).parents[2]


class Server:
    """A real server process on a free port of 127.0.0.1."""

    def __init__(self, home: Path, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tui.cli", "--home", str(home), "tui", "--serve", "--port", "0", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[-1]
        self.root, self.token = self.address.split("/?token=")

    def pages(self) -> list[psutil.Process]:
        """The apps it runs."""
        return psutil.Process(self.process.pid).children()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    opened = Server(tmp_path_factory.mktemp("home"), "--read-only")
    yield opened
    opened.process.send_signal(signal.SIGINT)
    assert opened.process.wait(30) == 0
    assert opened.process.stdout is not None
    opened.process.stdout.close()


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/ws", "/static/js/textual.js", "/download/x", "/nothing"])
async def test_without_the_token_every_path_is_forbidden(server: Server, path: str) -> None:
    async with aiohttp.ClientSession() as client, client.get(server.root + path) as answer:
        assert answer.status == 403
        assert server.token not in await answer.text()


async def test_the_token_becomes_a_cookie_and_leaves_the_address(server: Server) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.get(server.address, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie, "a link that is clicked elsewhere arrives with it"
        async with client.get(f"{server.root}/") as answer:
            assert answer.status == 200
            assert server.token not in await answer.text()
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        async with client.get(f"{server.root}/static/js/textual.js") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Host": "127.0.0.1:port"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
    ids=["a foreign name", "a name that begins like ours", "no port at all", "a page of another port", "a sandbox"],
)
async def test_the_token_does_not_help_a_foreign_page(server: Server, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/ws"):
            url = f"{server.root}{path}?token={server.token}"
            async with client.get(url, headers=headers, allow_redirects=False) as answer:
                assert answer.status == 403


async def test_the_page_names_no_other_host_and_only_what_its_script_knows(server: Server) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.get(server.address) as answer:
            page = await answer.text()
        async with client.get(f"{server.root}/static/js/textual.js") as answer:
            script = await answer.text()
        addresses = re.findall(r"(?:https?|wss?):[^\"')]+", page.replace("http://www.w3.org/2000/svg", ""))
        assert {urlsplit(address).netloc for address in addresses} == {urlsplit(server.root).netloc}
        for asset in re.findall(rf"{server.root}(/static/[^\"')]+)", page):
            async with client.get(server.root + asset) as answer:
                assert answer.status == 200, asset
        for name in ("-first-byte", "-closed", "xterm-helper-textarea", "textual-terminal"):
            assert name in page
            assert name in script
    assert "<title>clf</title>" in page


async def test_only_this_machine_can_reach_it(server: Server) -> None:
    (listening,) = [one for one in psutil.Process(server.process.pid).net_connections() if one.status == "LISTEN"]
    assert listening.laddr.ip == "127.0.0.1"


async def test_a_websocket_without_the_token_is_refused(server: Server) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{server.root}/ws")
        assert refused.value.status == 403
    assert server.pages() == []


async def test_the_page_is_the_app_and_read_only_is_respected(server: Server) -> None:
    async with aiohttp.ClientSession() as client:
        seen = await _drawn(client, server, "nothing is queued yet")
    assert "Add" not in seen, "a read-only footer offers no changes"
    await _gone(server.pages())


async def test_an_app_ends_with_its_server_even_when_that_is_killed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        async with aiohttp.ClientSession() as client:
            assert "Add" in await _drawn(client, server, "nothing is queued yet", leave=False)
            pages = server.pages()
            assert pages
            server.process.kill()
            await _gone(pages)
    finally:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


def test_without_textual_serve_it_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['textual_serve'] = None; from tui.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", program, "tui", "--serve"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "CLF_HOME": str(tmp_path)},
    )
    assert run.returncode == 1
    assert "pip install textual-serve" in run.stderr
    assert len(run.stderr.splitlines()) == 2


def test_a_port_that_is_taken_is_said_in_two_lines(server: Server, tmp_path: Path) -> None:
    port = server.root.rpartition(":")[2]
    command = [sys.executable, "-P", "-m", "tui.cli", "--home", str(tmp_path), "tui", "--serve", "--port", port]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert f"port {port} cannot be used" in run.stderr
    assert len(run.stderr.splitlines()) == 2


async def _drawn(client: aiohttp.ClientSession, server: Server, text: str, leave: bool = True) -> str:
    """What the app sent over the websocket until `text` was among it."""
    seen = ""
    socket = await client.ws_connect(f"{server.root}/ws?token={server.token}&width=120&height=40")
    async with asyncio.timeout(60):
        while text not in seen or "Help" not in seen:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), "the app ended"
            seen += message.data.decode(errors="replace") if isinstance(message.data, bytes) else ""
            if text in seen:
                await socket.send_json(["focus"])  # as a browser does; the footer waits for it
    if leave:
        await socket.close()
    return seen


async def _gone(processes: list[psutil.Process]) -> None:
    for _ in range(300):
        if not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
            return
        await asyncio.sleep(0.1)
    pytest.fail("an app was left behind")
