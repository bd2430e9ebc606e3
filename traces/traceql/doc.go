// Package traceql is TraceQL, Grafana Tempo's query language of traces, as
// documented at https://grafana.com/docs/tempo/latest/traceql/: lexer, parser,
// types, and an evaluation over the spans of one trace in memory, which is
// what the language means here. Package traces finds the traces that are worth
// evaluating by SQL.
//
// What Tempo leaves open or differs by version is decided like this: regular
// expressions are anchored at both ends; comparing values of different types,
// or with an attribute that is missing, is false, for != too; && and || have
// equal precedence and group to the left; a field of events or links has a
// value for each of them, and a comparison holds when it does for one; arrays
// and maps exist but compare with nothing; an unscoped attribute is the
// span's, or else the resource's.
package traceql
