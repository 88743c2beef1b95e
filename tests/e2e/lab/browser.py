# SPDX-License-Identifier: Apache-2.0
"""Chromium without a screen, inside the client's namespace."""

QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--no-default-browser-check", "--disable-dev-shm-usage", "--disable-breakpad",
    # Its other processes in one: quicker to start and to end.
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider", "--mute-audio",
]


def browse(hosts, chromium, profile, *options):
    """One start of the browser with a new profile; it ends by itself."""
    done = hosts.on_client(
        "timeout", "--kill-after=2", "40", chromium, *QUIET, f"--user-data-dir={profile}", *options,
        timeout=50, env={"HOME": str(profile), "XDG_CONFIG_HOME": str(profile), "XDG_CACHE_HOME": str(profile), "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
    )
    assert done.returncode == 0, done.stderr[-1500:]
    return done.stdout


def dump_dom(hosts, chromium, profile, url):
    return browse(hosts, chromium, profile, "--dump-dom", url)


def screenshot(hosts, chromium, profile, url, path, size):
    browse(hosts, chromium, profile, f"--window-size={size[0]},{size[1]}", f"--screenshot={path}", url)
    assert path.exists(), "no picture was taken"
