#!/usr/bin/env python3
"""Sends changes to a Changeover ingest. Python 3.9 or later, standard library only.

    python3 ingest_client.py --url http://127.0.0.1:8470 --token-file token.txt changes.ndjson

Each line of the input is one change, for instance

    {"kind": "agent", "op": "upsert", "entity": {"id": "ada", "type": "citizen", "active": true, "attributes": {"age": 36}}}
    {"kind": "agent", "op": "delete", "key": "ada"}

Every change gets an event id before it is first sent, and keeps it. So whatever is lost on the way, the request or its
answer, sending it again does nothing twice. What the server could not take yet (429, 503, a result "failed", a connection
that broke or was refused) is sent again, after the time that the server asks for (Retry-After) or else later and later,
for at most `patience` seconds; each time it says what it waits for. What was rejected is printed and not sent again.

As a library: Client(url, token).send([upsert("agent", {...}), delete("agent", "ada")]).
"""

import argparse
import base64
import http.client
import json
import random
import struct
import sys
import time
import uuid
from urllib.parse import urlsplit

BATCH_CHANGES = 500
PATIENCE_SECONDS = 60
FIRST_WAIT_SECONDS = 0.2
MAX_WAIT_SECONDS = 10


def upsert(kind, entity, event_id=None):
    """From now on this is the entity's whole state."""
    return {"id": event_id or str(uuid.uuid4()), "kind": kind, "op": "upsert", "entity": entity}


def delete(kind, key, event_id=None):
    """There is none any more. The key is its text, or an object of the parts that name the entity."""
    return {"id": event_id or str(uuid.uuid4()), "kind": kind, "op": "delete", "key": key}


def vector(numbers):
    """Floats as base64 of float32 in little-endian order: smaller than a list of numbers, and exact."""
    return base64.b64encode(struct.pack("<%df" % len(numbers), *numbers)).decode("ascii")


class GivenUp(Exception):
    """The server refuses the request itself, or did not take it in time. `results` has what is known of each change."""

    def __init__(self, reason, results):
        super().__init__(reason)
        self.results = results


class Client:
    def __init__(self, url, token=None, timeout=60, patience=PATIENCE_SECONDS):
        """`timeout` is for one request, `patience` for one batch with everything that is tried again; both in seconds."""
        self._url = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError("the URL must begin with http:// or https://")
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = (parts.hostname, parts.port)
        self._path = parts.path.rstrip("/") + "/v1/changes"
        self._timeout = timeout
        self._patience = patience
        self._connection = None
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = "Bearer " + token

    def send(self, changes):
        """Sends one batch until every change is durable or rejected. Answers one result per change, in their order."""
        results = [None] * len(changes)
        texts = {}
        for index, change in enumerate(changes):
            try:
                # JSON has no NaN and no infinity; the server would refuse the whole batch.
                texts[index] = json.dumps(dict(change, id=change.get("id") or str(uuid.uuid4())), allow_nan=False)
            except (TypeError, ValueError, AttributeError) as error:
                results[index] = {"index": index, "status": "rejected", "reason": "it is no JSON object: %s" % error}
        left = list(texts)
        deadline = time.monotonic() + self._patience
        attempt = 0
        while left:
            status, wait, body = self._post([texts[index] for index in left], deadline)
            if status in (202, 207, 422) or (status in (500, 503) and "results" in body):
                again = []
                for result in body["results"]:
                    index = left[result["index"]]
                    results[index] = dict(result, index=index)
                    if result["status"] == "failed":
                        again.append(index)
                left = again
                if not left:
                    break
                reason = results[left[0]].get("reason")
            elif status in (429, 503, None):
                reason = body.get("detail")
            else:
                raise GivenUp("%s: %s" % (status, body.get("detail")), results)
            attempt += 1
            remaining = deadline - time.monotonic()
            # What the server asks for is kept. One that names no time is tried again later and later, not by everybody
            # at once, and a last time at the end.
            if wait is None:
                wait = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempt - 1, 10)) * random.uniform(0.5, 1)
                wait = min(wait, remaining)
            if remaining <= 0 or wait > remaining:
                waited = "given up after %.0f s, with %d tries" % (self._patience - max(remaining, 0), attempt)
                if remaining > 0:
                    waited += ", because the server asks to wait for another %.0f s" % wait
                raise GivenUp("%d changes were not taken by %s: %s; %s" % (len(left), self._url, reason, waited), results)
            print(
                "waiting for %s: %d changes again in %.1f s, for at most another %.0f s: %s"
                % (self._url, len(left), wait, remaining, reason),
                file=sys.stderr,
            )
            time.sleep(wait)
        return results

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, texts, deadline):
        """Status (None where there was no answer), seconds to wait (None where the server names none), and body."""
        try:
            # An answer is not waited for longer than there is patience, but for a moment in any case.
            timeout = max(1, min(self._timeout, deadline - time.monotonic()))
            if self._connection is None:
                self._connection = self._make(*self._address)
            self._connection.timeout = timeout
            if self._connection.sock is not None:
                self._connection.sock.settimeout(timeout)
            body = '{"changes":[%s]}' % ",".join(texts)
            self._connection.request("POST", self._path, body.encode("utf-8"), self._headers)
            response = self._connection.getresponse()
            text = response.read()
            wait = response.getheader("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            # The changes may have been written or not; their ids make it safe to send them again.
            self.close()
            return None, None, {"detail": "no answer: %s" % (error or type(error).__name__)}
        try:
            body = json.loads(text)
        except ValueError:
            body = {"detail": text[:200].decode("utf-8", "replace")}
        return response.status, float(wait) if wait and wait.isdigit() else None, body


def batches(lines, size):
    batch = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            change = json.loads(line)
        except ValueError as error:
            sys.exit("line %d is not JSON: %s" % (number, error))
        batch.append((number, change))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def main():
    parser = argparse.ArgumentParser(description="Sends changes, one JSON object a line, to a Changeover ingest.")
    parser.add_argument("file", nargs="?", help="standard input where it is not given")
    parser.add_argument("--url", default="http://127.0.0.1:8470")
    parser.add_argument("--token-file", help="file that holds the bearer token")
    parser.add_argument("--batch", type=int, default=BATCH_CHANGES, help="changes in one request")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS,
                        help="seconds for which a batch is tried again before it is given up (default: %(default)s)")
    options = parser.parse_args()
    token = None
    if options.token_file:
        with open(options.token_file, encoding="utf-8") as file:
            token = file.read().strip()
    client = Client(options.url, token, patience=options.patience)
    source = open(options.file, encoding="utf-8") if options.file else sys.stdin
    counts = {}
    try:
        for batch in batches(source, options.batch):
            given_up = None
            try:
                results = client.send([change for _, change in batch])
            except GivenUp as error:
                given_up, results = error, error.results
            for (number, _), result in zip(batch, results):
                if result is None:
                    continue
                counts[result["status"]] = counts.get(result["status"], 0) + 1
                if result["status"] == "rejected":
                    print("line %d: %s" % (number, result["reason"]), file=sys.stderr)
            if given_up:
                print(json.dumps(counts, sort_keys=True))
                sys.exit(str(given_up))
    finally:
        client.close()
        source.close()
    print(json.dumps(counts, sort_keys=True))
    # As changeover itself: done, but some items were rejected.
    sys.exit(3 if counts.get("rejected") else 0)


if __name__ == "__main__":
    main()
