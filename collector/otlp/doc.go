// Package otlp receives OpenTelemetry's protocol: metrics, logs and traces over
// gRPC and over HTTP (protobuf and JSON), as opentelemetry.io/docs/specs/otlp
// says.
//
// Metrics become Prometheus series with Prometheus' own translation
// (storage/remote/otlptranslator): names escaped with underscores and with
// unit and type suffixes, job and instance from the service attributes,
// target_info with the rest of the resource, the identity table's attributes
// promoted to labels, exponential histograms as native histograms. Delta
// points are summed up to cumulative ones. Logs become streams labelled by
// the identity table's attributes, with all other attributes as structured
// metadata, in the names that Loki's OTLP endpoint uses.
//
// A request is measured before it is decoded, so that a small body cannot
// become gigabytes in memory. What a record has wrong is told to the sender in
// partial_success; the rest of the request is stored.
package otlp
