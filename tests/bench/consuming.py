"""The floor of the listener: consumes messages, decodes both layers of their JSON, and acknowledges them.

Its task, on stdin: `port`, `queue`, `prefetch`, and `count`, the number of messages after which it ends. Prints the
seconds from its first question to its last answer.
"""

from __future__ import annotations

import json
import sys
import time

import pika

TOGETHER = 100
"""Messages that are acknowledged at once."""


def main() -> None:
    """Does the task."""
    task = json.load(sys.stdin)
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", task["port"], heartbeat=0))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=task["prefetch"])
    left = task["count"]
    began = time.perf_counter()
    for method, _, body in channel.consume(task["queue"]):
        json.loads(json.loads(body)["oslo.message"])
        left -= 1
        if left % TOGETHER == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if left <= 0:
            break
    json.dump(time.perf_counter() - began, sys.stdout)
    connection.close()


if __name__ == "__main__":
    main()
