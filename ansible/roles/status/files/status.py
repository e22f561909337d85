#!/usr/bin/python3
"""Says over HTTP how this machine is: / for people, /status.json for programs, /health for load balancers."""

import html
import http.server
import json
import os
import shutil
import socket


def status():
    """What there is to say, as plain values."""
    with open("/proc/uptime", encoding="ascii") as uptime:
        uptime_seconds = int(float(uptime.read().split()[0]))
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        memory = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in meminfo)}
    disk = shutil.disk_usage("/")
    return {
        "product": os.environ["PRODUCT"],
        "version": os.environ["VERSION"],
        "hostname": socket.gethostname(),
        "uptimeSeconds": uptime_seconds,
        "load": os.getloadavg()[0],
        "memoryTotalKiB": memory["MemTotal"],
        "memoryAvailableKiB": memory["MemAvailable"],
        "diskTotalBytes": disk.total,
        "diskFreeBytes": disk.free,
    }


def page(values):
    """The same for people."""
    title = html.escape(f"{values['product']} {values['version']}")
    rows = "".join(f"<tr><th>{html.escape(key)}<td>{html.escape(str(value))}" for key, value in values.items())
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1><table>{rows}</table>\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD; keeps no log of its own."""

    server_version = "status"
    sys_version = ""

    def do_GET(self):  # noqa: N802  (the name that http.server calls)
        if self.path == "/health":
            self.answer(200, "text/plain", "ok\n")
        elif self.path == "/status.json":
            self.answer(200, "application/json", json.dumps(status(), indent=2) + "\n")
        elif self.path == "/":
            self.answer(200, "text/html", page(status()))
        else:
            self.answer(404, "text/plain", "not found\n")

    do_HEAD = do_GET

    def answer(self, code, content_type, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: systemd knows when it starts and ends, and visitors are no news."""


class Server(http.server.ThreadingHTTPServer):
    """On all addresses, IPv6 and IPv4."""

    address_family = socket.AF_INET6


if __name__ == "__main__":
    Server(("::", 80), Handler).serve_forever()
