"""The page and its API as an ASGI application."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import Future
from functools import partial
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skineval.base.errors import DataError, SkinevalError, UsageError, one_line
from skineval.demo.limits import LOOPBACK, Places, Refused, check_names, image_of, read_form, throw_away
from skineval.demo.predicting import Demonstration
from skineval.demo.samples import Samples
from skineval.demo.statement import statement
from skineval.report.document import formatting

#: The files of the page, by where they are asked for.
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/api/openapi.json": ("openapi.json", "application/json"),
}
LOOKED = 0.5  #: seconds after which it is looked whether who waits is still there
#: Sent with every answer: nothing is fetched from elsewhere, framed, kept, or taken for what it is not.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)


def make_app(
    shown: Demonstration, samples: Samples, *, hosts: Collection[str] = LOOPBACK, any_address: bool = False
) -> Starlette:
    """The application. It answers requests to `hosts` alone, or with `any_address` to any host that is an address."""
    worker, places = Worker(), Places()
    told = statement(shown, samples)

    async def predict(request: Request) -> Response:
        try:
            with places.taken():
                form = await read_form(request)
                try:
                    content = await image_of(form)
                    explainer, target = (str(form.get(name) or "") for name in ("explainer", "target"))
                finally:
                    await form.close()
                answer = partial(shown.answer, content, explainer, target)
                return JSONResponse(await worker.do(answer, request.is_disconnected))
        except Refused as refused:
            if refused.status == 503:
                await throw_away(request)
            raise
        except SkinevalError:
            raise
        except Exception as error:  # whatever a network of a plugin raises; left to others, it would cut the connection
            return _broken(error)

    async def model(request: Request) -> Response:
        return JSONResponse(told)

    async def sample(request: Request) -> Response:
        place = request.path_params["place"]
        if place >= len(samples.images):
            raise HTTPException(404)
        return Response(samples.images[place].content, media_type="image/png")

    app = Starlette(
        routes=[
            *(_file(path, *of) for path, of in _FILES.items()),
            Route("/api/model", model),
            Route("/api/samples/{place:int}", sample),
            Route("/api/predict", predict, methods=["POST"]),
        ],
        middleware=[Middleware(_Guarded, hosts=hosts, any_address=any_address)],
        exception_handlers={
            Refused: _refused,
            DataError: _no_image,
            UsageError: _misnamed,
            SkinevalError: _failed,
            HTTPException: _no_such_page,
        },
    )
    app.state.worker = worker
    return app


class Worker:
    """A thread that does one thing at a time, so that it has all cores, and memory for one image is enough."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self.busy = False
        # A daemon: a map may take a minute, and whoever ends the program does not wait for it.
        threading.Thread(target=self._work, name="skineval-demo", daemon=True).start()

    async def do(self, function: Callable[[], Any], is_gone: Callable[[], Awaitable[bool]]) -> Any:
        """What `function` returns, or raises, in the thread, when its turn has come.

        Raises Refused once whoever asked is gone: what waits for its turn is not done any more.
        """
        future: Future[Any] = Future()
        self._waiting.put((future, function))
        answer = asyncio.wrap_future(future)
        while not (await asyncio.wait([answer], timeout=LOOKED))[0]:
            if await is_gone():
                answer.cancel()
                raise Refused(499, "The request ended early.")
        return answer.result()

    def _work(self) -> None:
        while True:
            future, function = self._waiting.get()
            if not future.set_running_or_notify_cancel():
                continue
            self.busy = True
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            self.busy = False


class _Guarded:
    """Checks the names in a request before anything else, and sends `HEADERS` with every answer."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], any_address: bool) -> None:
        self.app, self.hosts, self.any_address = app, hosts, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        request = Request(scope, receive)
        try:
            check_names(request, self.hosts, any_address=self.any_address)
        except Refused as refused:
            await (await _refused(request, refused))(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def _file(path: str, name: str, kind: str) -> Route:
    content = files("skineval.demo").joinpath("page", name).read_bytes()

    async def give(request: Request) -> Response:
        return Response(content, headers={"content-type": kind})

    return Route(path, give)


def _error(status: int, what: str, hint: str = "", headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": what, "hint": hint}, status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _error(error.status, error.what, error.hint, {"retry-after": "5"} if error.status == 503 else None)


async def _no_image(request: Request, error: Exception) -> Response:
    assert isinstance(error, DataError)
    return _error(415, error.message, error.hint)


async def _misnamed(request: Request, error: Exception) -> Response:
    assert isinstance(error, UsageError)
    return _error(400, error.message, error.hint)


async def _failed(request: Request, error: Exception) -> Response:
    return _broken(error)


async def _no_such_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, "There is nothing here.", "See api/openapi.json for what there is.", error.headers)


def _broken(error: Exception) -> Response:
    """Told in full to whoever runs it, and to whoever asked without a place."""
    sys.stderr.write(f"{formatting.plain(one_line(error))}\n")
    return _error(500, "The model has no answer to this image.", "Try another image, or another explainer.")
