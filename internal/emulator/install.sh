#!/bin/sh
# Installs the servers that the tests run against into .emulators at the root of
# the repository:
#
#   npm    dynoxide, which speaks DynamoDB and its Streams; fauxqs, which speaks SQS,
#          with a Node.js to run on; standardwebhooks, which checks the signatures of
#          consumer/webhook
#   PyPI   moto, which speaks all three; the SQS of LocalStack
#   Maven  ElasticMQ, which speaks SQS
#
# Every file is checked against the hashes that are kept here beside the script.
# What is installed already stays. A server that cannot be installed here is left
# out, and its tests are skipped; with POSTROOM_EMULATORS=required that fails.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
to=$here/../../.emulators

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "the DynamoDB emulator is built for Linux on x86-64 only" >&2
	exit 1
fi
mkdir -p "$to"
to=$(cd "$to" && pwd)

# of_lock installs into a folder, unless that was installed from the same lock.
of_lock() { # folder lock function
	cmp -s "$2" "$to/$1.lock" && return
	rm -f "$to/$1.lock"
	if ! why=$("$3" "$1" "$2" 2>&1); then
		why=$(printf '%s\n' "$why" | grep . | tail -n 1)
		if [ "${POSTROOM_EMULATORS:-}" = required ]; then
			echo "emulators: $1 cannot be installed: $why" >&2
			return 1
		fi
		echo "emulators: $1 is left out: $why" >&2
		return
	fi
	cp "$2" "$to/$1.lock"
	echo "emulators: installed $1"
}

from_npm() { # folder lock
	command -v npm >/dev/null || { echo "npm is missing"; return 1; }
	cp "$here/npm/package.json" "$2" "$to" &&
		npm ci --prefix "$to" --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-timeout=60000
}

from_pypi() { # folder lock
	python=$(python3_13) || { echo "Python 3.13 with its venv is missing"; return 1; }
	rm -rf "${to:?}/$1" &&
		"$python" -m venv "$to/$1" &&
		"$to/$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
			--no-compile --no-deps --only-binary :all: --require-hashes -r "$2" &&
		"$to/$1/bin/python" -m compileall -q "$to/$1/lib"
}

# python3_13 finds a Python 3.13, the one that LocalStack is made for.
python3_13() {
	for python in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3; do
		"$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || continue
		echo "$python"
		return
	done
	return 1
}

from_maven() { # folder lock
	command -v java >/dev/null || { echo "Java is missing"; return 1; }
	command -v mvn >/dev/null || { echo "Maven is missing"; return 1; }
	rm -rf "${to:?}/$1" &&
		mvn --batch-mode --quiet --strict-checksums --file "$here/$1/pom.xml" dependency:copy-dependencies \
			-DincludeScope=runtime -DoutputDirectory="$to/$1" &&
		(cd "$to/$1" && sha256sum --quiet --check "$2" && ls *.jar | cut -d ' ' -f 1 >../jars &&
			awk '{ print $2 }' "$2" | cmp -s - ../jars) ||
		{ rm -rf "${to:?}/$1"; return 1; }
	rm -f "$to/jars"
}

jobs=
of_lock node_modules "$here/npm/package-lock.json" from_npm & jobs=$!
of_lock moto "$here/python/moto.txt" from_pypi & jobs="$jobs $!"
of_lock localstack "$here/python/localstack.txt" from_pypi & jobs="$jobs $!"
of_lock elasticmq "$here/elasticmq/SHA256SUMS" from_maven & jobs="$jobs $!"
for job in $jobs; do
	wait "$job"
done
