# SPDX-License-Identifier: Apache-2.0
"""Real clients and browsers meet the 511: REQUIREMENTS §1 and §2."""
import html
import json
import re
import shutil
import struct
import zlib

import pytest

from lab import clients
from lab.browser import dump_dom, screenshot
from lab.hosts import ORIGIN4, ORIGIN6, url
from lab.process import until
from lab.programs import PROGRAMS, exchange

ORIGINS = [pytest.param(ORIGIN4, id="IPv4"), pytest.param(ORIGIN6, id="IPv6")]
REASON = "Network Authentication Required"
SENTENCE = "You need to log in to this network before you can use it"
PORTAL = "http://198.51.100.20/login"
FORBIDDEN = {
    "set-cookie", "www-authenticate", "proxy-authenticate", "expires", "etag", "last-modified", "server",
    "strict-transport-security", "access-control-allow-origin", "age", "vary",
}


def assert_511(response, media_type="text/html; charset=utf-8", body=True):
    assert response.exit_code == 0, response
    assert (response.version, response.status, response.reason) == ("HTTP/1.1", 511, REASON), response
    assert response.headers["cache-control"] == ["no-store"]
    assert response.headers["connection"] == ["close"]
    assert response.headers["content-type"] == [media_type]
    assert not FORBIDDEN & set(response.headers), response.headers
    if body:
        assert response.headers["content-length"] == [str(len(response.body.encode()))]
        assert SENTENCE in response.body and PORTAL in response.body and "Stadium Wi-Fi" in response.body
    return response


@pytest.fixture(autouse=True)
def no_session(gateway):
    return gateway


# ---- programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_see_the_511(hosts, program, origin):
    """REQ 1.status, REQ 1.fields, REQ 1.no-store, REQ 1.no-challenge, REQ 3.after: status, reason phrase, exact length and text, and no error of the connection."""
    response = program(hosts, url(origin, "/captive-portal-check"))
    if program is clients.wget and response.exit_code == 8:
        response.exit_code = 0  # "the server issued an error response"
    assert_511(response)
    assert "reset" not in response.errors.lower(), response.errors


CURLS = [
    pytest.param(["--http1.0"], id="http1.0"),
    pytest.param(["--http1.1"], id="http1.1"),
    pytest.param(["-X", "DELETE"], id="DELETE"),
    pytest.param(["-X", "OPTIONS", "--request-target", "*"], id="OPTIONS-asterisk"),
    pytest.param(["-d", "name=value"], id="POST"),
    pytest.param(["-H", "Expect: 100-continue", "-d", "name=value"], id="Expect"),
    pytest.param(["-H", "Transfer-Encoding: chunked", "-d", "name=value"], id="chunked"),
    pytest.param(["-H", "Cookie: session=" + "c" * 12000], id="12-KB-cookie"),
    pytest.param(["-H", "User-Agent:"], id="no-user-agent"),
    pytest.param(["-H", "Upgrade: websocket", "-H", "Connection: Upgrade"], id="Upgrade"),
    pytest.param(["--http2"], id="h2c-upgrade"),
    pytest.param(["-H", "Authorization: Basic c2VjcmV0OnNlY3JldA=="], id="Authorization"),
    pytest.param(["-H", "If-None-Match: \"x\"", "-H", "Range: bytes=0-1"], id="conditional"),
    pytest.param(["-H", "Accept-Encoding: gzip, br"], id="gzip-accepted"),
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("options", CURLS)
def test_curl(hosts, options, origin):
    """REQ 2.methods, REQ 2.target, REQ 2.expect, REQ 2.connect, REQ 2.http10, REQ 3.split: every method
    and field, the same 511 at once."""
    assert_511(clients.curl(hosts, url(origin, "/any"), None, *options))


@pytest.mark.parametrize("origin", ORIGINS)
def test_curl_as_to_a_proxy(hosts, origin):
    """REQ 2.target: absolute-form is accepted."""
    assert_511(clients.curl(hosts, "http://api.example.test/x", None, "--proxy", url(origin, "").replace("http://", "") + ":80"))


@pytest.mark.parametrize("origin", ORIGINS)
def test_curl_connect(hosts, origin):
    """REQ 2.connect: never a 2xx for CONNECT; the tunnel does not open."""
    done = hosts.on_client("curl", "-sSv", "-k", "--max-time", 3, "--proxy", url(origin, "") + ":80", "https://api.example.test/")
    assert done.returncode != 0
    assert re.search(r"< HTTP/1.1 [45]\d\d", done.stderr), done.stderr[-800:]


@pytest.mark.parametrize("origin", ORIGINS)
def test_head(hosts, origin):
    """REQ 2.head: the same headers as for GET, no body (RFC 9110 §9.3.2)."""
    get = clients.curl(hosts, url(origin))
    head = assert_511(clients.curl(hosts, url(origin), None, "-I"), body=False)
    # -i and -I together: curl prints the head once.
    assert head.headers == get.headers and not head.body


@pytest.mark.parametrize("expect", [[], ["-H", "Expect:"]], ids=["Expect", "at-once"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_post_of_10_mb(hosts, tmp_path, origin, expect):
    """REQ 2.methods, REQ 2.expect, REQ 3.after: 511 at once, while the body is under way; never a reset."""
    body = tmp_path / "body"
    body.write_bytes(b"\x55" * (10 << 20))
    response = clients.curl(hosts, url(origin), None, *expect, "-H", "Content-Type: application/octet-stream", "--data-binary", f"@{body}", seconds=10)
    assert_511(response)
    assert "reset" not in response.errors.lower()


@pytest.mark.parametrize("origin", ORIGINS)
def test_http2_with_prior_knowledge(hosts, origin):
    """REQ 2.http2: GOAWAY(HTTP_1_1_REQUIRED), never silence: curl ends at once and says why."""
    done = hosts.on_client("curl", "-sSv", "--http2-prior-knowledge", "--max-time", 3, url(origin))
    assert done.returncode not in (0, 28), done.stderr[-500:]
    assert "HTTP_1_1_REQUIRED" in done.stderr or "error 13" in done.stderr or "GOAWAY" in done.stderr.upper(), done.stderr[-800:]


ACCEPTS = [
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
    ("*/*", "text/html; charset=utf-8"),
    ("application/json", "application/problem+json; charset=utf-8"),
    ("application/problem+json", "application/problem+json; charset=utf-8"),
    ("application/json, text/plain, */*", "application/problem+json; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8"),
    ("text/plain;q=0.5, text/html;q=0.1", "text/plain; charset=utf-8"),
    ("image/webp", "text/html; charset=utf-8"),
]


@pytest.mark.parametrize("accept, media_type", ACCEPTS)
def test_the_form_is_negotiated(hosts, accept, media_type):
    """REQ 1.negotiation, REQ 1.problem: HTML for people, problem+json for programs, text where asked."""
    response = assert_511(clients.curl(hosts, url(ORIGIN4), None, "-H", f"Accept: {accept}"), media_type)
    if "json" in media_type:
        problem = json.loads(response.body)
        assert problem["status"] == 511 and problem["title"] == REASON
        assert PORTAL in problem.values(), problem
    if "plain" in media_type:
        assert "<" not in response.body


def test_the_page_is_plain(hosts):
    """REQ 1.no-imitation, REQ 1.body: a link, no form, no script, absolute URLs only, an operator's name."""
    body = clients.curl(hosts, url(ORIGIN4, "/x?secret=1"), None, "-H", "Cookie: secret=2").body.lower()
    for tag in ("<form", "<script", "<iframe", "<img", "<input", "http-equiv", "onload", "secret"):
        assert tag not in body, tag
    links = re.findall(r"(?:href|src|action)=[\"']?([^\"'> ]+)", html.unescape(body))
    assert links == [PORTAL]


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/%22%3e%3cscript", "/..%0d%0aSet-Cookie:x=y", "/" + "a" * 3000])
def test_nothing_of_the_request_comes_back(hosts, path):
    """REQ 1.reflection: neither path nor Host nor query, cookies or Authorization, in head or body."""
    plain = clients.curl(hosts, url(ORIGIN4))
    other = clients.curl(
        hosts, url(ORIGIN4, path) + "?q=reflected", None, "-g", "--path-as-is", "-H", "Host: reflected.test",
        "-H", "Cookie: reflected=1", "-H", "Authorization: Basic cmVmbGVjdGVk", "-A", "reflected",
    )
    assert (other.headers, other.body) == (plain.headers, plain.body)


def test_logs_name_no_request(hosts, running_gateway):
    """REQ 1.reflection: query, cookies and Authorization are in no log."""
    mark = "tell-tale-7f3a"
    clients.curl(hosts, url(ORIGIN4, f"/?{mark}"), None, "-H", f"Cookie: {mark}", "-H", f"Authorization: {mark}")
    for log in running_gateway.home.glob("*.log"):
        assert mark not in log.read_text(errors="replace"), log


# ---- requests that are none, by raw socket ------------------------------------------------------

ERRORS = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two-hosts"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, id="bad-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, id="space-before-colon"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400, id="obs-fold"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, id="bare-CR"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400, id="NUL"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, id="bad-length"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, id="two-lengths"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="length-and-chunked"),
    pytest.param(b"GET /\r\n", 400, id="HTTP/0.9"),
    pytest.param(b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, id="space-behind-version"),
    pytest.param(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="long-target"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"c" * 20000 + b"\r\n\r\n", 431, id="long-fields"),
    pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="HTTP/2.0"),
    pytest.param(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, id="HTTP/9.9"),
]
REASONS = {400: "Bad Request", 414: "URI Too Long", 431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported"}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("request_bytes, status", ERRORS)
def test_a_bad_request_is_told_so(hosts, origin, request_bytes, status):
    """REQ 2.host, REQ 2.colon, REQ 2.fold, REQ 2.controls, REQ 2.length, REQ 2.not-http, REQ 2.long-target,
    REQ 2.long-fields, REQ 2.version: the complete answer, the end of the stream, no RST before it is read."""
    response = exchange(hosts, origin, request_bytes)
    assert (response.exit_code, response.status, response.reason) == (0, status, REASONS[status]), response
    assert response.headers["content-length"] == [str(len(response.body))]
    assert response.headers["connection"] == ["close"] and response.headers["cache-control"] == ["no-store"]


GOOD = [
    pytest.param(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", id="leading-CRLF"),
    pytest.param(b"GET http://other.test/ HTTP/1.1\r\nHost: a\r\n\r\n", id="absolute-form"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", id="asterisk"),
    pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP/1.0-without-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", id="empty-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", id="IPv6-host"),
    pytest.param(b"get / HTTP/1.1\r\nHost: a\r\n\r\n", id="unknown-method"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5, id="pipelined"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"x" * 100000, id="garbage-behind"),
    pytest.param(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", id="CONNECT"),
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("request_bytes", GOOD)
def test_an_unusual_request_is_answered(hosts, origin, request_bytes):
    """REQ 2.target, REQ 2.crlf, REQ 2.one-response, REQ 2.http10, REQ 2.connect: one 511 and the end of the stream."""
    assert_511(exchange(hosts, origin, request_bytes))


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_request_that_never_completes_gets_nothing(hosts, origin):
    """REQ 2.incomplete: no answer, no end of the stream; the connection just waits."""
    response = exchange(hosts, origin, b"GET / HTTP/1.1\r\nHost: a\r\n", seconds=1)
    assert response.exit_code == 3 and response.status == 0, response


@pytest.mark.parametrize("origin", ORIGINS)
def test_half_closed_requests_are_answered(hosts, origin):
    """REQ 3.fin: the client closes its side at once (nc, HTTP/1.0 scripts)."""
    assert_511(exchange(hosts, origin, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", half_close=True))


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_response_read_late_is_still_there(hosts, origin):
    """REQ 3.after, REQ 3.last-ack: 100 KB are sent before the first byte is read; a RST would destroy it."""
    response = exchange(hosts, origin, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"b" * 100000, late=True)
    assert_511(response)
    assert until(lambda: not hosts.on_client("ss", "-Htan", "state", "last-ack").stdout, 1)


# ---- a browser ----------------------------------------------------------------------------------

WIDTHS = [pytest.param((390, 844), id="phone"), pytest.param((1280, 800), id="desk")]


@pytest.fixture(scope="module")
def chromium():
    found = shutil.which("chromium", path="/usr/bin:/bin")
    if not found:
        pytest.skip("chromium is not installed")
    return found


@pytest.mark.parametrize("origin", ORIGINS)
def test_chromium_shows_the_page(hosts, chromium, tmp_path, origin):
    """REQ 1.body: the DOM of a real browser has the sentence, the operator's name and the link."""
    dom = dump_dom(hosts, chromium, tmp_path / "profile", url(origin))
    assert SENTENCE in dom and "Network login required." in dom and "Stadium Wi-Fi" in dom, dom[:500]
    assert re.findall(r"href=\"([^\"]+)\"", dom) == [PORTAL]


@pytest.mark.parametrize("size", WIDTHS)
def test_the_page_fits_the_screen(hosts, chromium, tmp_path, size):
    """REQ 1.body: a picture at phone and desk width that is not blank; --basetemp keeps it to be looked at."""
    picture = tmp_path / "page.png"
    screenshot(hosts, chromium, tmp_path / "profile", url(ORIGIN4), picture, size)
    width, height, shades = read_png(picture)
    assert (width, height) == size
    assert shades > 20, "a blank page"


def read_png(path):
    """Width, height and the number of different rows, enough to tell a page from a blank."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack_from("!II", data, 16)
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from("!I4s", data, at)
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    rows = zlib.decompress(packed)
    stride = len(rows) // height
    return width, height, len({rows[i * stride : (i + 1) * stride] for i in range(height)})
