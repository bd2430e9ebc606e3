// Package tempo is Grafana Tempo's HTTP API for reading, as documented at
// https://grafana.com/docs/tempo/latest/api_docs/, below /tempo: what Tempo
// data sources of Grafana and Perses call. Answers have the forms of Tempo's
// protobuf messages: JSON as jsonpb writes it (64-bit numbers as strings, ids
// of spans as base64), or protobuf where a client accepts it.
package tempo
