// Package remotewrite receives Prometheus remote write, versions 1.0 and 2.0
// (prometheus.io/docs/specs/prw), and gives it to a metrics sink. Decoding goes
// straight from the request's bytes to telemetry.Series: the only strings that
// are allocated are the labels that the sink may keep.
package remotewrite
