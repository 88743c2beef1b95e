# SPDX-License-Identifier: Apache-2.0
"""A session store with a million logins: one made by narthexd itself, the others its copies. Through
the API one by one it would take a quarter of an hour."""
import contextlib
import ipaddress
import sqlite3

from lab.process import until


class UnknownSchema(Exception):
    """The store does not look as this module knows it."""


def _clone(database, table, changes, count):
    """Adds `count` rows like the table's only one, with the columns of changes(i) replaced."""
    database.row_factory = sqlite3.Row
    rows = database.execute(f"SELECT * FROM {table}").fetchall()
    if len(rows) != 1:
        raise UnknownSchema(f"{table} has {len(rows)} rows after one login")
    names = rows[0].keys()
    missing = set(changes(0)) - set(names)
    if missing:
        raise UnknownSchema(f"{table} has no column {', '.join(sorted(missing))}")
    marks = ", ".join("?" * len(names))
    template = dict(rows[0])
    database.executemany(
        f"INSERT INTO {table} VALUES ({marks})", (tuple({**template, **changes(i)}.values()) for i in range(1, count))
    )


def fill(gateway, first, count):
    """Stops narthexd; authorises `count` clients from `first` on, those of a pool."""
    gateway.authorize(first, duration="24h")
    gateway.narthexd.stop(60)
    gateway.narthexd = None
    files = list(gateway.state.glob("*.db")) + list(gateway.state.glob("*.sqlite*"))
    files = [file for file in files if not file.name.endswith(("-wal", "-shm"))]
    if len(files) != 1:
        raise UnknownSchema(f"{len(files)} databases in the state directory")
    base = int(ipaddress.ip_address(first))
    with contextlib.closing(sqlite3.connect(files[0])) as database:
        try:
            slot, = database.execute("SELECT slot FROM address").fetchone()
            _clone(database, "session", lambda i: {"id": f"bench{i:08x}"}, count)
            _clone(database, "address", lambda i: {
                "session_id": f"bench{i:08x}", "slot": slot + i,
                "address": bytes(10) + b"\xff\xff" + (base + i).to_bytes(4, "big"),
            }, count)
        except sqlite3.Error as error:
            raise UnknownSchema(str(error)) from error
        database.commit()
    gateway.start_narthexd()
    assert until(lambda: gateway.status()["sessions"] == str(count) or gateway.status()["sessions"] == count, 10), (
        f"{gateway.status()['sessions']} sessions of {count}")
