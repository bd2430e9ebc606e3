// Package files tails log files: with rotation, and with positions that are
// remembered over restarts and move on only when the lines are stored. It is
// OpenTelemetry's file log receiver with our labels.
package files
