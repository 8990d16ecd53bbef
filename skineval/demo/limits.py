"""What is asked of a request before anybody works for it: its size, its time, its turn, and whom it names."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 8 * 2**20  #: of a request
_MOST_THROWN_AWAY = 8 * MOST_BYTES  #: of a request that is too large; behind that the connection is cut
SECONDS = 10.0  #: in which a request is to arrive
PLACES = 16  #: requests that are being received, wait or are worked on
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Refused(Exception):  # noqa: N818 - as in an answer, not as in a fault
    """A request that is not answered: the HTTP status, what is wrong, and what to do."""

    def __init__(self, status: int, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.hint = status, what, hint


@dataclass
class Places:
    """How many requests may be under way at the same time; no state but a number, since one thread serves."""

    free: int = PLACES

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Refused where there is none."""
        if not self.free:
            raise Refused(503, "Too many images are waiting.", "Try again in a few seconds.")
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1


class _InMemory(MultiPartParser):
    """A form of which nothing is put on disk, however large it is."""

    spool_max_size = 2 * MOST_BYTES


async def read_form(request: Request) -> FormData:
    """The form of a request, in memory. Raises Refused for what is no form, too large or too slow."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        await throw_away(request)
        raise Refused(415, "The request is no multipart/form-data.", "Send a form with the file as `image`.")
    parser = _InMemory(request.headers, _limited(request), max_files=1, max_fields=4, max_part_size=1024)
    try:
        async with asyncio.timeout(SECONDS):
            return await parser.parse()
    except TimeoutError:
        raise Refused(
            408, f"The request took longer than {SECONDS:.0f} seconds to arrive.", "Send it faster."
        ) from None
    except MultiPartException as error:
        raise Refused(
            400, "The form cannot be read.", "Send one file, as `image`, and no more than is asked."
        ) from error
    except ClientDisconnect as error:
        raise Refused(400, "The request ended early.") from error


async def throw_away(request: Request) -> None:
    """Receive what is left of a request and keep nothing: who is still sending would not read an answer."""
    thrown = 0
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                thrown += len(chunk)
                if thrown > _MOST_THROWN_AWAY:
                    return
    except (TimeoutError, ClientDisconnect):
        pass


async def image_of(form: FormData) -> bytes:
    """The content of the file in a form; raises Refused where there is none."""
    upload = form.get("image")
    if not isinstance(upload, UploadFile):
        raise Refused(400, "The form has no file called `image`.", "Send the file as `image`.")
    return await upload.read()


def check_names(request: Request, hosts: Collection[str], *, any_address: bool) -> None:
    """Raise Refused for a request to a host of another name, or from a page of one.

    So a page elsewhere cannot have its own name lead here (DNS rebinding) and read what is answered. With
    `any_address`, any host that is written as an address will do: no name leads there.
    """
    if not _is_known(f"//{request.headers.get('host', '')}", hosts, any_address):
        raise Refused(400, "The request is for another host.", "Open the address that skineval demo has printed.")
    origin = request.headers.get("origin")
    if origin is not None and not _is_known(origin, hosts, any_address):
        raise Refused(403, "The request is from another page.", "Open the address that skineval demo has printed.")


def _is_known(url: str, hosts: Collection[str], any_address: bool) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        if name in hosts:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return any_address


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MOST_BYTES:
            await throw_away(request)
            raise Refused(413, f"The request has more than {MOST_BYTES // 2**20} MB.", "Scale the image down.")
        yield chunk
