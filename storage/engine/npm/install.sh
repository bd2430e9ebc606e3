#!/bin/sh
# Installs the embedded engine's library, as pinned in package-lock.json, into
# the cache folder where the engine looks for it. Does nothing when it is there.
set -eu

cd "$(dirname "$0")"
version=$(sed -n 's|.*"@chdb/lib-linux-x64-gnu": "\(.*\)".*|\1|p' package.json)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/watchfire/libchdb/$version
if [ -f "$dir/libchdb.so" ]; then
	echo "$dir/libchdb.so"
	exit 0
fi
case $(uname -s)-$(uname -m) in
Linux-x86_64) ;;
*)
	echo "no library is pinned for $(uname -s) on $(uname -m): get libchdb $version for it and set WATCHFIRE_LIBCHDB" >&2
	exit 1
	;;
esac

mkdir -p "$dir"
tmp=$(mktemp -d "$dir/install.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cp package.json package-lock.json "$tmp"
(cd "$tmp" && npm ci --ignore-scripts --no-audit --no-fund >&2)
# A rename: whoever sees the file sees all of it.
mv "$tmp/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so" "$dir/libchdb.so"
echo "$dir/libchdb.so"
