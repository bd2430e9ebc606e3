#!/usr/bin/env bash
# Builds the real clients that the tests drive Watchfire with, once for each
# state of this module, and links them into the cache's bin folder.
set -euo pipefail
cd "$(dirname "$0")"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/watchfire"
key=$({ go version; cat go.mod go.sum logcli/go.mod logcli/go.sum build.sh; } | sha256sum | cut -c1-16)
dir="$cache/clients/$key"
if [ ! -e "$dir/done" ]; then
	echo "clients: building promtool, logcli and amtool (once, some minutes)"
	mkdir -p "$dir"
	version="-X github.com/prometheus/common/version.Version"
	go build -ldflags "-s -w $version=3.16.0" -o "$dir/promtool" github.com/prometheus/prometheus/cmd/promtool
	go build -ldflags "-s -w $version=0.34.2" -o "$dir/amtool" github.com/prometheus/alertmanager/cmd/amtool
	(cd logcli && go build -ldflags "-s -w" -o "$dir/logcli" github.com/grafana/loki/v3/cmd/logcli)
	touch "$dir/done"
fi
mkdir -p "$cache/bin"
for c in promtool amtool logcli; do ln -sfn "$dir/$c" "$cache/bin/$c"; done
