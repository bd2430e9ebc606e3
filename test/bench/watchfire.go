package main

import (
	"context"
	"os"
	"path/filepath"
)

// passive is the configuration of a Watchfire that watches nothing by itself.
const passive = `
log: {level: warn}
collector:
  host:
    metrics: {names: none}
    logs: {source: none}
  self: {metrics_interval: 0s, logs: false, trace_ratio: 0}
alerting: {builtin_rules: []}
`

// watchfire starts the binary with a configuration (YAML) on a data folder of
// that name.
func (l *lab) watchfire(ctx context.Context, name, config string) (*side, error) {
	path, err := watchfireBinary()
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "watchfire.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	var addrs [3]string
	for i := range addrs {
		if addrs[i], err = freeAddr(); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	return l.startSide(ctx, &side{
		name: "Watchfire", url: "http://" + addrs[0], otlp: "http://" + addrs[2], data: data, path: path,
		args: []string{
			"serve", "--config", file, "--data", data,
			"--listen", addrs[0], "--otlp-grpc", addrs[1], "--otlp-http", addrs[2],
		},
	})
}
