#!/usr/bin/env bash
# Builds and runs the benchmarks: all of them, or those named, each with its
# flags: run.sh ingest-metrics -series 2000000 -paced queries -week 1000
set -euo pipefail

cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/bench" ./test/bench
"$dir/bench" "$@"
