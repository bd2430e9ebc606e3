//go:build clients

// Package clients pins the real clients that the tests drive Watchfire with.
// It is a module of its own, so that their dependencies stay out of the
// binary's.
package clients

import (
	_ "github.com/prometheus/alertmanager/cmd/amtool"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
