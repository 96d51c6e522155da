"""Runs LocalStack's SQS, and no other service, on the loopback interface.

Arguments: the port, and a folder for what it writes while it runs. Queues are in
memory.
"""

import json
import os
import signal
import sys
import threading
import urllib.request

port, folder = sys.argv[1:]
del sys.argv[1:]

# Its DynamoDB is another program, which it would download: it stays disabled.
# Nothing is fetched, reported or resolved elsewhere either.
os.environ.update(
    SERVICES="sqs",
    STRICT_SERVICE_LOADING="1",
    EAGER_SERVICE_LOADING="1",
    GATEWAY_LISTEN=f"127.0.0.1:{port}",
    DISABLE_EVENTS="1",
    SKIP_SSL_CERT_DOWNLOAD="1",
    DNS_ADDRESS="0",
    OVERRIDE_IN_DOCKER="0",
    LS_LOG="error",
    FILESYSTEM_ROOT=folder,
    XDG_CACHE_HOME=folder,
    HOME=folder,
)

from localstack.runtime import events, main  # noqa: E402, after the environment


def announce():
    """Say where it listens, once the first slow request is over."""
    events.infra_ready.wait()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/",
        data=json.dumps({}).encode(),
        headers={
            "X-Amz-Target": "AmazonSQS.ListQueues",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, "
            "SignedHeaders=host, Signature=0",
        },
    )
    urllib.request.urlopen(request).read()
    print(f"listening on http://127.0.0.1:{port} ", flush=True)


threading.Thread(target=announce, daemon=True).start()

# main's own way to end waits for threads of its server, at times for ever. Nothing
# is kept, and so there is nothing to wait for.
set_handler = signal.signal
signal.signal = lambda number, handler: set_handler(number, lambda *_: os._exit(0))
main.main()
