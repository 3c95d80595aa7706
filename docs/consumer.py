"""A consumer to start from: every scan once, in SQLite, with all that is known to be missing.

    python consumer.py mqtts://broker.example:8883 plant.db      (login: MQTT_USER, MQTT_PASSWORD)
    python consumer.py --lost plant.db

Needs paho-mqtt 2. What the messages mean is in payload.md. Three rules make it safe: a message is
acknowledged after it is committed; a scan is the same when (gw, b, d, g, n) is; a tag is unknown until it
appears, and again after a hole.
"""

import hashlib
import json
import os
import sqlite3
import sys
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TABLES = """
CREATE TABLE IF NOT EXISTS scans (gw, b, d, g, n INTEGER, ts REAL, m, doc, PRIMARY KEY (gw, b, d, g, n));
CREATE TABLE IF NOT EXISTS gaps (gw, b, d, g, first INTEGER, last INTEGER, reason, doc UNIQUE);
CREATE TABLE IF NOT EXISTS meta (m PRIMARY KEY, doc);
CREATE TABLE IF NOT EXISTS streams (gw, b, d, g, since, last, c, PRIMARY KEY (gw, b, d, g));
CREATE TABLE IF NOT EXISTS now (gw, b, d, g, tag, value, quality, ts, PRIMARY KEY (gw, b, d, g, tag));
"""
STREAM = "gw = ? AND b = ? AND d = ? AND g = ?"
UNUSABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, sqlite3.ProgrammingError)
SESSION_S = 7 * 24 * 3600  # how long the broker keeps for us what comes while we are away


def enter(db, topic, payload):
    """One message. Whatever else a gateway says (state, devices) is left to you."""
    if topic.split("/")[-2:-1] == ["meta"]:  # the name is the hash of the very bytes
        m = hashlib.sha256(payload).hexdigest()[:8]
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (m, payload.decode()))
        return
    message = json.loads(payload)
    if "reason" in message:
        gap(db, message, payload.decode())
    elif "c" in message:
        data(db, message)


def data(db, message):
    """Scans `s` or events `e`; those that are there already are duplicates."""
    stream, (first, last) = tuple(message[key] for key in ("gw", "b", "d", "g")), message["n"]
    scans = message["e"] if "e" in message else message["s"]
    if last - first + 1 != len(scans):
        raise ValueError(f"numbers {first} to {last} for {len(scans)} scans")
    db.execute("INSERT OR IGNORE INTO streams VALUES (?, ?, ?, ?, NULL, 0, 0)", stream)
    [(since, newest)] = db.execute(f"SELECT since, last FROM streams WHERE {STREAM}", stream)
    if since is None and "h" not in message:
        since = first  # what lies below may have gone to those who listened before
    for n, scan in enumerate(scans, start=first):
        row = (*stream, n, scan["ts"], message["m"], json.dumps(scan))
        db.execute("INSERT OR IGNORE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        if n > newest:
            if n > newest + 1 or "k" in scan:  # a hole makes all unknown; a full scan has every tag
                db.execute(f"DELETE FROM now WHERE {STREAM}", stream)
            if "s" in message and "f" not in scan:  # not of what was filled later
                show(db, stream, scan)
            newest = n
    rest = (since, newest, message["c"], *stream)
    db.execute(f"UPDATE streams SET since = ?, last = ?, c = max(c, ?) WHERE {STREAM}", rest)


def show(db, stream, scan):
    """The present: values of this scan, and tags that have none any more. What is absent is unchanged."""
    values, quality = scan.get("v", {}), scan.get("q", {})
    if "*" in quality:
        rest = (quality["*"], scan["ts"], *stream)
        db.execute(f"UPDATE now SET value = NULL, quality = ?, ts = ? WHERE {STREAM}", rest)
    for tag in {*values, *quality} - {"*"}:
        value = json.dumps(values[tag]) if tag in values else None
        row = (*stream, tag, value, quality.get(tag, "good"), scan["ts"])
        db.execute("INSERT OR REPLACE INTO now VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def gap(db, message, text):
    """A named loss. Numbers make a hole that data() sees; what has none makes the tags unknown here."""
    first, last = message["n"] or (None, None)
    whose = tuple(message[key] for key in ("gw", "b", "d", "g"))
    row = (*whose, first, last, message["reason"], text)
    db.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    if first is None:  # no device or group: all of them
        db.execute("DELETE FROM now WHERE gw = ? AND b IS ? AND d = ifnull(?, d) AND g = ifnull(?, g)", whose)


def lost(db):
    """Numbers up to `c` that neither came nor stand in a gap, as (gw, b, d, g, first, last)."""
    named = f"SELECT first, last FROM gaps WHERE first NOT NULL AND {STREAM}"
    there = f"SELECT n, n FROM scans WHERE {STREAM} UNION ALL {named} ORDER BY 1"
    for *stream, since, _, c in db.execute("SELECT * FROM streams WHERE since NOT NULL").fetchall():
        at = since
        for first, last in [*db.execute(there, stream * 2), (c + 1, c)]:
            if at < first and at <= c:
                yield *stream, at, min(first - 1, c)
            at = max(at, last + 1)


def main(url, path):
    """Subscribe under a name that the broker remembers."""
    db = sqlite3.connect(path)
    db.executescript(TABLES)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "plant-db", protocol=paho.MQTTv5, manual_ack=True)

    def arrived(_client, _data, message):
        try:
            with db:
                enter(db, message.topic, message.payload)
        except UNUSABLE as error:  # there is no use in its coming again
            print(f"{message.topic}: {error!r}", file=sys.stderr)
        client.ack(message.mid, message.qos)

    client.on_connect = lambda *_: client.subscribe("edge/#", qos=1)
    client.on_subscribe = lambda *_: print("listening", flush=True)
    client.on_message = arrived
    broker = urlsplit(url)
    if broker.scheme == "mqtts":
        client.tls_set()
    if "MQTT_USER" in os.environ:
        client.username_pw_set(os.environ["MQTT_USER"], os.environ["MQTT_PASSWORD"])
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = SESSION_S
    port = broker.port or (8883 if broker.scheme == "mqtts" else 1883)
    client.connect(broker.hostname, port, clean_start=False, properties=session)
    client.loop_forever()


if __name__ == "__main__":
    if sys.argv[1] == "--lost":
        rows = list(lost(sqlite3.connect(sys.argv[2])))
        print(*rows, sep="\n")
        sys.exit(1 if rows else 0)
    main(*sys.argv[1:])
