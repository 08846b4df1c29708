"""Having the system start the worker: a systemd user unit on Linux, a launchd agent on macOS."""

from __future__ import annotations

import os
import plistlib
import sys
from dataclasses import dataclass
from pathlib import Path

from jobs.launch import worker_log
from jobs.origin import import_path
from recipes.errors import HomeError
from recipes.home import Home


@dataclass(frozen=True)
class Service:
    """A file for the system's service manager, and the commands that make it count."""

    path: Path
    text: str
    commands: tuple[str, ...]


def describe(home: Home, *, device: str = "auto", platform: str = sys.platform) -> Service:
    """What `install` would write for this machine; raises HomeError where there is no known service manager."""
    if platform == "darwin":
        return _launchd(home, device)
    if platform.startswith("linux"):
        return _systemd(home, device)
    raise HomeError("no service manager is known for this system", "clf worker --detach starts one until the next boot")


def install(service: Service) -> None:
    """Write the file; raises HomeError when that cannot be."""
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        service.path.write_text(service.text, encoding="utf-8")
    except OSError as error:
        raise HomeError(f"cannot write {service.path}: {error.strerror}") from error


def _command(home: Home, device: str) -> list[str]:
    return [sys.executable, "-P", "-m", "jobs.launch", str(home.root), device]


def _name(device: str) -> str:
    return "clf-worker" if device == "auto" else f"clf-worker-{device.replace(':', '')}"


def _systemd(home: Home, device: str) -> Service:
    """KillMode=process: the worker stops its child itself, and a child whose worker crashed trains on."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    unit = f"{_name(device)}.service"
    command = " ".join(_systemd_quoted(word) for word in _command(home, device))
    environment = "".join(f"Environment={_systemd_quoted(f'{key}={value}')}\n" for key, value in import_path().items())
    text = (
        f"[Unit]\nDescription=clf worker ({device})\n\n"
        f"[Service]\nType=exec\nExecStart={command}\n"
        f"{environment}"
        "KillMode=process\nTimeoutStopSec=180\nRestart=on-failure\nRestartSec=5\n\n"
        "[Install]\nWantedBy=default.target\n"
    )
    commands = (
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {unit}",
        "loginctl enable-linger   # so that it also runs while you are logged out",
    )
    return Service(settings / "systemd" / "user" / unit, text, commands)


def _systemd_quoted(word: str) -> str:
    """Quoted for a unit file, where % and $ stand for something: systemd.syntax(7), systemd.service(5)."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"'


def _launchd(home: Home, device: str) -> Service:
    label = f"org.clf.{_name(device)}"
    log = str(worker_log(home, device))
    agent = {
        "Label": label,
        "ProgramArguments": _command(home, device),
        "EnvironmentVariables": import_path(),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "AbandonProcessGroup": True,  # a child whose worker crashed trains on
        "ExitTimeOut": 180,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    path = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
    return Service(path, plistlib.dumps(agent).decode(), (f"launchctl load -w {path}",))
