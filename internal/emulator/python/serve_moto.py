"""Runs moto on the loopback interface, on the port that is its argument."""

import logging
import sys
import threading

sys.dont_write_bytecode = True  # beside this file

# What the first requests would import, several at once and some in part.
import moto.dynamodb.responses  # noqa: F401
import moto.dynamodbstreams.responses  # noqa: F401
import moto.iam.models  # noqa: F401
import moto.sqs.responses  # noqa: F401
import moto_in_place  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main

answer = DomainDispatcherApplication.__call__
turn = threading.Lock()


def answer_in_turn(self, environ, start_response):
    """Carry out one request after the other: moto does not lock what its threads
    share. One that waits for messages would keep the others waiting."""
    if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".ReceiveMessage"):
        return answer(self, environ, start_response)
    with turn:
        return answer(self, environ, start_response)


DomainDispatcherApplication.__call__ = answer_in_turn
moto_in_place.spare()

logging.getLogger("werkzeug").addFilter(lambda record: "Running on" in record.getMessage())
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
