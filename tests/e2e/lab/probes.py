# SPDX-License-Identifier: Apache-2.0
"""Probes of systems that cannot run here: the bytes that each sends, and the rule by which its
published source or documentation judges the answer (REQUIREMENTS §5)."""
import dataclasses
import typing

ONLINE, PORTAL, FAILED, NO_RULE = "online", "portal", "failed", "no published rule"
APPLE_SUCCESS = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
ANDROID_FIELDS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36",
    "Connection: close", "Accept-Encoding: gzip",
)
APPLE_FIELDS = ("User-Agent: CaptiveNetworkSupport-481.40.2 wispr", "Connection: close", "Accept: */*")
APPLE_SHEET = ("User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15", "Accept: text/html")
WINDOWS_FIELDS = ("Connection: Close", "User-Agent: Microsoft NCSI")


def android(answer):
    """NetworkMonitor: 204 is the internet; another 2xx or 3xx a portal, except a 200 too short for a
    page; everything else a failure, for which no sign-in is offered."""
    if answer.status == 204:
        return ONLINE
    if answer.status == 200 and len(answer.body) <= 4:
        return FAILED
    return PORTAL if 200 <= answer.status <= 399 else FAILED


def chromeos(answer):
    """shill: 302 and 307 with a Location alone are a portal."""
    if answer.status == 204:
        return ONLINE
    return PORTAL if answer.status in (302, 307) and "location" in answer.headers else FAILED


def chrome(answer):
    """captive_portal_detector: 511, or anything in 200 to 399 but 204; other errors say nothing."""
    if answer.status == 204:
        return ONLINE
    return PORTAL if answer.status == 511 or 200 <= answer.status <= 399 else FAILED


def apple(answer):
    """Documented for administrators only: the page that says Success, or the sheet. No rule for a 511 is known."""
    if answer.status == 200 and answer.body.strip() == APPLE_SUCCESS:
        return ONLINE
    return PORTAL if 200 <= answer.status <= 399 else NO_RULE


def exact_text(text):
    """NCSI and Fire OS: the text, or a redirect that opens the browser. No rule for a 511 is known."""
    def judge(answer):
        if answer.status == 200 and text in answer.body:
            return ONLINE
        return PORTAL if answer.status == 302 and "location" in answer.headers else NO_RULE

    return judge


def windows_browser(answer):
    """Windows opens this page in the browser: a person sees where it leads to."""
    location = answer.headers.get("location", [""])[0]
    return ONLINE if "go.microsoft.com" in location else PORTAL if location or answer.status == 511 else FAILED


@dataclasses.dataclass
class Probe:
    name: str
    host: str
    path: str
    fields: tuple
    judge: typing.Callable
    strict: str  # what the client makes of a bare 511

    def request(self):
        return "\r\n".join([f"GET {self.path} HTTP/1.1", f"Host: {self.host}", *self.fields, "", ""]).encode()


PROBES = [
    Probe("android", "connectivitycheck.gstatic.com", "/generate_204", ANDROID_FIELDS, android, FAILED),
    Probe("android-google", "www.google.com", "/gen_204", ANDROID_FIELDS, android, FAILED),
    Probe("android-play", "play.googleapis.com", "/generate_204", ANDROID_FIELDS, android, FAILED),
    Probe("chromeos", "www.gstatic.com", "/generate_204", ("User-Agent: ChromeOS", "Connection: close"), chromeos, FAILED),
    Probe("chromeos-safebrowsing", "safebrowsing.google.com", "/generate_204", ("Connection: close",), chromeos, FAILED),
    Probe("chromeos-googleapis", "www.googleapis.com", "/generate_204", ("Connection: close",), chromeos, FAILED),
    Probe("edge", "edge.microsoft.com", "/captiveportal/generate_204", ("Pragma: no-cache", "Cache-Control: no-cache"), chrome, PORTAL),
    Probe("apple", "captive.apple.com", "/hotspot-detect.html", APPLE_FIELDS, apple, NO_RULE),
    Probe("apple-sheet", "captive.apple.com", "/hotspot-detect.html", APPLE_SHEET, apple, NO_RULE),
    Probe("apple-older", "www.appleiphonecell.com", "/library/test/success.html", APPLE_FIELDS, apple, NO_RULE),
    Probe("windows", "www.msftconnecttest.com", "/connecttest.txt", WINDOWS_FIELDS, exact_text("Microsoft Connect Test"), NO_RULE),
    Probe("windows-ipv6", "ipv6.msftconnecttest.com", "/connecttest.txt", WINDOWS_FIELDS, exact_text("Microsoft Connect Test"), NO_RULE),
    Probe("windows-older", "www.msftncsi.com", "/ncsi.txt", WINDOWS_FIELDS, exact_text("Microsoft NCSI"), NO_RULE),
    Probe("windows-browser", "www.msftconnecttest.com", "/redirect", ("User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)",), windows_browser, PORTAL),
    Probe("fireos", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", ("Connection: close",), exact_text("81ce4465-7167-4dcb-835b-dcc9e44c112a"), NO_RULE),
]
