// Package legacy receives traces in the formats that came before OTLP,
// Jaeger's and Zipkin's, by OpenTelemetry's receivers.
package legacy
