package main

import (
	"context"
	"os"
	"path/filepath"
)

// prometheus starts Debian's Prometheus as a receiver of remote write that
// scrapes nothing, not even itself.
func (l *lab) prometheus(ctx context.Context) (*side, error) {
	path, err := tool("prometheus", "prometheus")
	if err != nil {
		return nil, err
	}
	dir, err := l.folder("prometheus")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	return l.startSide(ctx, &side{
		name: "Prometheus", url: "http://" + addr, data: data, path: path,
		args: []string{
			"--config.file=" + config, "--storage.tsdb.path=" + data, "--web.listen-address=" + addr,
			"--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=30d",
			"--log.level=warn",
		},
	})
}
