//go:build clients

// Package logcli pins Loki's client, in a module of its own: it wants older
// OpenTelemetry modules than Prometheus' clients do.
package logcli

import _ "github.com/grafana/loki/v3/cmd/logcli"
