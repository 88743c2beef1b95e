# SPDX-License-Identifier: Apache-2.0
"""What an operator makes of the 511: languages, forms, templates, a change without a restart."""
import json

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, url
from lab.process import until

CLIENT = "10.61.1.2"
PLAIN = zone("spare", "sp0", "10.61.1.0/24", "2001:db8:61:1::/64")
PORTAL = 'portal_url = "http://198.51.100.20/login"\n'
GERMAN = """
[[zone.language]]
tag = "de"
title = "Anmeldung erforderlich"
message = "Bitte melden Sie sich an."
link_text = "Anmelden"
"""
PAGE = """<!DOCTYPE html>
<html lang={{language}}>
<meta charset=utf-8>
<title>{{title}}</title>
<h1>Our own: {{title}}</h1>
<p>{{network_name}}: {{message}}
<p><a href="{{login_url}}">{{link_text}}</a>
"""


def with_keys(keys, more=""):
    return PLAIN.replace(PORTAL, PORTAL + keys) + more


@pytest.fixture
def page(hosts):
    return hosts.directory / "page.html"


@pytest.fixture
def spare_gateway(another, spare):
    return another("pages", zones=[PLAIN])


def fetch(hosts, *fields):
    options = [word for field in fields for word in ("-H", field)]
    response = clients.curl(hosts, url(ORIGIN4, "/"), CLIENT, *options)
    assert response.status == 511, response
    return response


# REQ 1.language, REQ 1.wildcard, REQ 1.api-member
def test_languages_forms_and_a_change_in_flight(spare_gateway, hosts, page):
    """REQUIREMENTS §1: language by Accept-Language, */* by configuration, the API for programs; a
    new policy comes into force in a dataplane that runs on."""
    gateway = spare_gateway
    page.write_text(PAGE)
    keys = f'default_media_type = "text"\napi_url = "https://198.51.100.20/api"\ntemplate = "{page}"\n'
    gateway.write_config(with_keys(keys, GERMAN))
    gateway.start()
    html = "Accept: text/html,*/*;q=0.8"

    german = fetch(hosts, html, "Accept-Language: de-AT,de;q=0.9,en;q=0.5").body
    assert "<html lang=de>" in german and "Our own: Anmeldung erforderlich" in german
    assert "Stadium Wi-Fi: Bitte melden Sie sich an." in german
    for field in ("Accept-Language: fr", "Accept-Language: en;q=0.9,de;q=0.1", "X: y"):
        assert "<html lang=en>" in fetch(hosts, html, field).body, field
    text = fetch(hosts, "Accept: */*", "Accept-Language: de")
    assert text.headers["content-type"] == ["text/plain; charset=utf-8"]
    assert text.body.startswith("Anmeldung erforderlich.\n")
    problem = json.loads(fetch(hosts, "Accept: application/json", "Accept-Language: de").body)
    assert problem["api_url"] == "https://198.51.100.20/api"
    assert problem["detail"] == "Bitte melden Sie sich an."

    # The dataplane is never restarted; narthexd hands over a policy without German.
    gateway.narthexd.stop()
    gateway.write_config(PLAIN)
    gateway.start_narthexd()
    assert until(lambda: "text/html; charset=utf-8" in fetch(hosts, "Accept-Language: de").headers["content-type"], 5)
    assert "<html lang=en>" in fetch(hosts, "Accept-Language: de").body
    assert gateway.dataplane.alive()


@pytest.mark.parametrize("change, words", [
    pytest.param(("<h1>", "<form><h1>"), ":5: a form", id="form"),
    pytest.param(("<h1>", "<script>x</script><h1>"), ":5: a script", id="script"),
    pytest.param(("<h1>", "<h1 onclick=x>"), ":5: event handler onclick", id="handler"),
    pytest.param(("<meta charset=utf-8>", "<meta http-equiv=refresh content=0>"), ":3: http-equiv", id="refresh"),
    pytest.param(("{{login_url}}", "/login"), ":7: href must be an absolute", id="relative"),
    pytest.param(("{{login_url}}", "http://example.net/"), "no link to the login page", id="no-link"),
    pytest.param(("{{message}}", "{{mesage}}"), ":6: unknown placeholder {{mesage}}", id="placeholder"),
    pytest.param(("<h1>", "\x01<h1>"), ":5: a control character", id="control"),
    pytest.param(("<h1>", "\udcff<h1>"), ":5: not UTF-8", id="encoding"),
    pytest.param(("<h1>", "x" * 1000 + "<h1>"), "too many for one segment (1220)", id="long"),
])
@pytest.mark.parametrize("options", [[], ["--check"]], ids=["start", "check"])
def test_bad_templates_are_refused(spare_gateway, page, change, words, options):
    """Issue 3: a template is checked at load and refused with the reason; nothing is attached."""
    page.write_bytes(PAGE.replace(*change).encode(errors="surrogateescape"))
    spare_gateway.write_config(with_keys(f'template = "{page}"\n'))
    done = spare_gateway.run_narthexd(*options)
    assert done.returncode == 78 and len(done.stderr.strip().split("\n")) == 1, done
    assert str(page) in done.stderr and words in done.stderr
    assert spare_gateway.program("sp0") == 0 and spare_gateway.pins() == []


def test_a_login_url_that_does_not_fit_is_refused_by_how_much(spare_gateway):
    """Issue 3: the whole compact response fits 536 bytes."""
    spare_gateway.write_config(PLAIN.replace("/login", "/login?" + "x" * 200))
    done = spare_gateway.run_narthexd("--check")
    assert done.returncode == 78 and "too many for one segment (536): portal_url has 227" in done.stderr, done
