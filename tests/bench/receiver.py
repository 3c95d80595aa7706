"""Counts what reaches a subscriber of the broker, in a process of its own.

usage: python -m tests.bench.receiver BROKER_PORT

Prints `ready` once subscribed, then keeps every data message with its arrival time until one line with the
start and the end of the window (CLOCK_MONOTONIC, ns) comes in; answers with the figures as JSON and ends.
Parsing waits until then, so that it takes no processor from those who are measured.
"""

import json
import sys
import time
from dataclasses import asdict

import orjson
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.scenario import Received

TOPIC = "edge/bench/+/fast"

Arrival = tuple[int, bytes]


def main(port: int) -> None:
    """Receive until told the window, then print what came in it."""
    arrivals: list[Arrival] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="receiver", protocol=mqtt.MQTTv5)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _client, _context, message: arrivals.append(
        (time.monotonic_ns(), bytes(message.payload))
    )
    client.connect("127.0.0.1", port)
    client.subscribe(TOPIC, qos=1)
    client.loop_start()
    line = sys.stdin.readline()
    client.disconnect()
    client.loop_stop()
    if line:  # none: whoever started us has gone
        start_ns, end_ns = map(int, line.split())
        print(json.dumps(asdict(count([body for at, body in arrivals if start_ns <= at < end_ns]))))


def count(bodies: list[bytes]) -> Received:
    """Add up data messages; a scan that comes again is not counted again."""
    values = not_good = repeated = 0
    numbers: dict[tuple[str, str], set[int]] = {}
    for body in bodies:
        message = orjson.loads(body)
        seen = numbers.setdefault((message["b"], message["d"]), set())
        for number, scan in enumerate(message["s"], message["n"][0]):
            if number in seen:
                repeated += 1
                continue
            seen.add(number)
            values += len(scan.get("v", ()))
            not_good += len(scan.get("q", ()))
    missing = sum(max(seen) - min(seen) + 1 - len(seen) for seen in numbers.values())
    return Received(len(bodies), sum(map(len, bodies)), values, not_good, repeated, missing)


if __name__ == "__main__":
    main(int(sys.argv[1]))
