// Package loki receives Loki's push protocol: protobuf in snappy, and JSON in
// its present and its old form, with structured metadata. A stream without a
// service_name label gets one as in Loki 3.
//
// Lines are substrings of the request's body: nothing is copied on the way to
// the sink.
package loki
