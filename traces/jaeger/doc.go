// Package jaeger is the HTTP API of Jaeger's query service, which Jaeger's UI
// and Grafana's Jaeger data source call, below /jaeger/api
// (https://www.jaegertracing.io/docs/latest/apis/#http-json). Spans are
// translated as OpenTelemetry's specification says ("OpenTelemetry to Jaeger
// Transformation").
package jaeger
