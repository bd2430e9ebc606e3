package main

// The service discoveries that the build tags name (Makefile, TAGS).
import _ "github.com/prometheus/prometheus/plugins"
