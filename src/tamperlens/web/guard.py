"""What every request passes first: is it meant for this server, is it from its own page, who is asking; strict headers."""

import hashlib
import hmac
import ipaddress
import math
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["COOKIE", "LOOPBACK", "PAGE_POLICY", "Guard"]

COOKIE = "tamperlens"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_OPEN = frozenset({"/healthz", "/login", "/api/login", "/page.css", "/login.js"})  # without a token
_SMALL = 64_000  # bytes of any body but an upload
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Refuses what is not for this server (421), from other sites (403) or without the token (401); adds headers to all else.

    ``hosts``: names under which the server is reached; a page of another site that has its own name point here does not know
    them. ``addresses``: whether any IP address will do; nobody can have one of those point elsewhere. ``token``: empty where
    none is needed.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str = "", *, addresses: bool = False) -> None:
        self.app, self.hosts, self.token, self.addresses = app, hosts, token, addresses
        self.cookie = cookie_of(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request, or hands it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope)
        await (answer or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._mine(_hostname(hosts[0])):
            return _no(421, "this server is not known by that name; if it should be, start it with --allow-host NAME")
        if from_elsewhere(headers, scope["method"], path):
            return _no(403, "requests from other sites are refused; open this server's own page")
        if self.token and path not in _OPEN and not self._known(headers):
            if path == "/" and scope["method"] == "GET":
                return RedirectResponse("/login", 303)
            return _no(401, "a token is needed: send 'Authorization: Bearer TOKEN'", {"www-authenticate": "Bearer"})
        if scope["method"] != "GET" and path != "/api/jobs" and _body(headers) > _SMALL:
            return _no(413, f"expected a body of at most {_SMALL} bytes here", {"connection": "close"})
        return None

    def _mine(self, name: str) -> bool:
        return name in self.hosts or (self.addresses and _is_address(name))

    def _known(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(given.strip(), self.token):
            return True
        cookies = (part.strip().partition("=") for line in headers.getlist("cookie") for part in line.split(";"))
        return any(name == COOKIE and same(value, self.cookie) for name, _, value in cookies)


def same(given: str, secret: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def cookie_of(token: str) -> str:
    """What the browser keeps: it opens this server, but does not tell the token."""
    return hmac.new(token.encode(), b"tamperlens page", hashlib.sha256).hexdigest()


def from_elsewhere(headers: Headers, method: str, path: str) -> bool:
    """Whether a browser says that another site's page makes the request. A followed link to the page itself is allowed."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
        return True
    if site in ("none", "same-origin"):
        return False
    link = method == "GET" and path in ("/", "/login") and headers.get("sec-fetch-dest") == "document"
    return not link


def _body(headers: Headers) -> float:
    """Bytes of a request's body; infinite where it does not say."""
    length = headers.get("content-length", "0")
    return math.inf if "transfer-encoding" in headers or not length.isdecimal() else int(length)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _no(status: int, message: str, headers: dict[str, Any] | None = None) -> Response:
    return JSONResponse({"detail": message}, status, headers)
