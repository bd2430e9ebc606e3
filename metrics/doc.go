// Package metrics keeps samples in ClickHouse and answers PromQL from there.
//
// A series' labels are stored once a month in metrics_series with the days on
// which it had samples; its samples lie in metrics_samples (floats) and
// metrics_histograms (native histograms), sorted by tenant, metric, series and
// time. The Writer fills the tables, a Store reads them as Prometheus'
// storage interfaces, and an Engine evaluates PromQL on top.
//
// Time is Unix milliseconds everywhere and may be negative.
package metrics
