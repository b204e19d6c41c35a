#!/usr/bin/env python3
"""Passes Stripe traffic on and checks it against the contract. Standard library only.

  proxy.py --contract contract.json --upstream http://127.0.0.1:8420 [--strict]

Prints the address that it took on its first line. Ends when its standard input does, so that no proxy outlives who started
it, and then prints each kind of violation as one line of JSON, and last the counts. With --strict a bad request is answered
400, as Stripe would, in place of being passed on.
"""
import argparse
import collections
import http.client
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from contract import Contract, decode_form

OWN_HEADERS = ("host", "connection", "accept-encoding", "content-length", "transfer-encoding")


class Report:
    """What was seen, by kind; told in the end, for nobody may be reading before."""

    def __init__(self):
        self.lock, self.counts, self.kinds = threading.Lock(), collections.Counter(), collections.Counter()

    def asked(self):
        with self.lock:
            self.counts["requests"] += 1

    def note(self, side, operation, violations):
        with self.lock:
            self.counts[side] += len(violations)
            self.kinds.update((side, operation, re.sub(r"\[\d+\]", "[]", at), code, text) for at, code, text in violations)

    def end(self):
        with self.lock:
            for (side, operation, at, code, text), times in self.kinds.most_common():
                print(json.dumps({"side": side, "operation": operation, "at": at, "code": code, "text": text, "times": times}))
            counts = {name: self.counts[name] for name in ("requests", "request", "answer")}
            print(json.dumps({"counts": counts}), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    contract = upstream = strict = report = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        operation, violations = self.check(url, body)
        if violations and self.strict:
            at, code, text = violations[0]
            error = {"type": "invalid_request_error", "code": code, "param": at, "message": f"{at}: {text} (contract)"}
            return self.answer(400, [("content-type", "application/json")], json.dumps({"error": error}).encode())
        try:
            status, headers, data = self.pass_on(body)
        except (OSError, http.client.HTTPException):
            # Cut off there, cut off here: a fault must look the same through the proxy.
            self.close_connection = True
            return None
        if operation and 200 <= status < 300:
            self.check_answer(operation, data)
        return self.answer(status, headers, data)

    do_POST = do_DELETE = do_GET

    def check(self, url, body):
        """The operation, if it is one of Stripe's, and what is wrong with the request."""
        if not url.path.startswith("/v1/"):
            return None, []
        self.report.asked()
        known = self.contract.find(self.command, url.path)
        if known is None:
            violations = [("", "url_unknown", "no such operation in the contract")]
        else:
            form = decode_form(body.decode() if self.command == "POST" else url.query)
            violations = self.contract.check_request(known[1], self.command, form)
        version = self.headers.get("stripe-version")
        if version not in (None, self.contract.version):
            violations.append(("Stripe-Version", "version", f"{version} in place of {self.contract.version}"))
        self.report.note("request", f"{self.command} {known[0] if known else url.path}", violations)
        return known, violations

    def check_answer(self, operation, data):
        try:
            violations = self.contract.check_answer(operation[1], json.loads(data))
        except ValueError:
            violations = [("", "json", "not JSON")]
        self.report.note("answer", f"{self.command} {operation[0]}", violations)

    def pass_on(self, body):
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN_HEADERS}
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port)
        try:
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def answer(self, status, headers, data):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contract", required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    Handler.contract, Handler.report = Contract.load(arguments.contract), Report()
    Handler.upstream, Handler.strict = urlsplit(arguments.upstream), arguments.strict
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    Handler.report.end()
    # Connections that are kept open would keep their threads, and those the process.
    os._exit(0)


if __name__ == "__main__":
    main()
