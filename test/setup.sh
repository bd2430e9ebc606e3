#!/usr/bin/env bash
# Installs the Debian packages that the tests drive: real senders, a real
# database, a real browser. Does nothing when they are there.
set -euo pipefail

packages=(prometheus prometheus-node-exporter postgresql chromium fonts-noto-cjk)
missing=()
for p in "${packages[@]}"; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "setup: the tests need ${missing[*]}: install them as root" >&2; exit 1; }
	sudo=(sudo)
fi
echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${sudo[@]}" apt-get update && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "setup: cannot install ${missing[*]}" >&2
	exit 1
fi
