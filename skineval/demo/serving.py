"""The application on a port of this machine."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from skineval.base.errors import UsageError
from skineval.demo import limits

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

_CONNECTIONS = 200  #: at the same time


class Deadline(H11Protocol):
    """A connection whose next request line and headers have to arrive in time; what follows is up to who reads it."""

    _timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The first request is waited for."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """The next one is."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(limits.SECONDS, self._end_waiting)

    def _end_waiting(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach `host`. Raises UsageError for what is no host."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host is {host!r}, which is no address of this machine.", "Leave --host out.") from error
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def bound(host: str, port: int) -> socket.socket:
    """A socket on this port, 0 for any that is free; raises UsageError where it cannot be had."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    try:
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        what = f"Port {port} of {host} cannot be had: {error.strerror or error}."
        raise UsageError(what, "Name another with --port; --port 0 takes any that is free.") from error


def address(of: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = of.getsockname()[:2]
    if of.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"http://{host}:{port}/"


def server(app: ASGIApp) -> uvicorn.Server:
    """What serves `app`; its `run` ends at Ctrl-C, without waiting for answers that are not ready."""
    config = uvicorn.Config(
        app,
        http=Deadline,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def serve(app: ASGIApp, on: socket.socket) -> None:
    """Serve `app` until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        server(app).run(sockets=[on])
