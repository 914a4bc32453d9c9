"""A model server for tests: answers every request with 200, and misbehaves as told. Imports little, to start fast."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time


def main() -> None:
    options = parse()
    if options.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.spawn_child:
        child = subprocess.Popen(["sleep", "600"])
        print("child", child.pid, flush=True)
    print("started", os.getpid(), os.environ.get("MAITRE_REPLICA"), flush=True)
    if options.exit_status is not None and options.exit_after is None:
        print("giving up", file=sys.stderr, flush=True)
        sys.exit(options.exit_status)
    time.sleep(options.start_delay)
    serve(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-delay", type=float, default=0.0)
    parser.add_argument("--exit-after", type=int, help="answers before it exits")
    parser.add_argument("--exit-status", type=int)
    parser.add_argument("--status", default="200 OK")
    parser.add_argument("--mute", action="store_true", help="take connections, answer nothing")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--spawn-child", action="store_true")
    return parser.parse_args()


def serve(options: argparse.Namespace) -> None:
    answer = f"HTTP/1.1 {options.status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".encode()
    listener = socket.create_server(("127.0.0.1", options.port), reuse_port=False)
    answered = 0
    kept = []
    while options.exit_after is None or answered < options.exit_after:
        connection, _ = listener.accept()
        if options.mute:
            kept.append(connection)
            continue
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
        answered += 1
    sys.exit(options.exit_status or 0)


if __name__ == "__main__":
    main()
