// Package traces stores spans and answers questions about them: a trace by its
// id, searches by tags and TraceQL, the names and values of attributes, and
// which service calls which. Package traces/traceql is the language,
// traces/tempo and traces/jaeger are the HTTP APIs of those two.
//
// A span is stored twice, for two ways to find it: as columns in spans, sorted
// by time, service and name, for searching, and whole in spans_by_trace,
// sorted by trace id, for reading. docs/adr/0006-span-layout.md has the
// measurements.
package traces
