// Package telemetry is the vocabulary that all rooms share: what a sample, a
// log record, a span, an event and an entity are, and which attributes name
// the application they belong to. Types only: it opens nothing, starts nothing
// and imports no other room.
package telemetry

// DefaultTenant is the tenant of a request that names none.
const DefaultTenant = "default"
