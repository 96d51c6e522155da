"""Runs moto on the loopback interface, on the port that is its argument."""

import logging
import sys

# What the first requests would import, several at once and some in part.
import moto.dynamodb.responses  # noqa: F401
import moto.dynamodbstreams.responses  # noqa: F401
import moto.iam.models  # noqa: F401
import moto.sqs.responses  # noqa: F401
from moto.server import main

# moto does not lock what its threads share. Most requests take less than this, and are
# carried out alone.
sys.setswitchinterval(0.02)

logging.getLogger("werkzeug").addFilter(lambda record: "Running on" in record.getMessage())
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
