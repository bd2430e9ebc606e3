// Package logs stores log lines in ClickHouse and answers LogQL over them: the
// tables, the Writer that collectors call, Loki's query engine over a Querier
// that does in SQL what SQL can do, the live tail, and Loki's HTTP API.
//
// A line belongs to a stream, the set of its labels; everything else that a
// sender says about it is structured metadata. trace_id, span_id and
// detected_level are structured metadata too, but live in columns of their
// own: the Writer takes them out and reading puts them back.
package logs
