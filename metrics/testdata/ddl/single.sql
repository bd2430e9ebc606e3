CREATE TABLE IF NOT EXISTS metrics_samples
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `series` UInt128 CODEC(ZSTD(1)),
    `time` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `start` Int64 CODEC(ZSTD(1)),
    `mantissa` Int64 CODEC(Delta, ZSTD(1)),
    `scale` UInt8 CODEC(ZSTD(1)),
    `value` Float64 ALIAS if(scale = 255, reinterpretAsFloat64(mantissa), mantissa / [1., 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15][scale + 1])
)
ENGINE = MergeTree
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
ORDER BY (tenant, metric, series, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS metrics_histograms
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `series` UInt128 CODEC(ZSTD(1)),
    `time` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `start` Int64 CODEC(ZSTD(1)),
    `is_float` Bool CODEC(ZSTD(1)),
    `reset_hint` UInt8 CODEC(ZSTD(1)),
    `schema` Int32 CODEC(ZSTD(1)),
    `zero_threshold` Float64 CODEC(ZSTD(1)),
    `sum` Float64 CODEC(ZSTD(1)),
    `zero_count` UInt64 CODEC(DoubleDelta, ZSTD(1)),
    `count` UInt64 CODEC(DoubleDelta, ZSTD(1)),
    `float_zero_count` Float64 CODEC(ZSTD(1)),
    `float_count` Float64 CODEC(ZSTD(1)),
    `positive_offsets` Array(Int32) CODEC(ZSTD(1)),
    `positive_lengths` Array(UInt32) CODEC(ZSTD(1)),
    `negative_offsets` Array(Int32) CODEC(ZSTD(1)),
    `negative_lengths` Array(UInt32) CODEC(ZSTD(1)),
    `positive_deltas` Array(Int64) CODEC(ZSTD(1)),
    `negative_deltas` Array(Int64) CODEC(ZSTD(1)),
    `positive_counts` Array(Float64) CODEC(ZSTD(1)),
    `negative_counts` Array(Float64) CODEC(ZSTD(1)),
    `custom_values` Array(Float64) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
ORDER BY (tenant, metric, series, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS metrics_series
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `month` Date CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `id` UInt128 CODEC(ZSTD(1)),
    `days` SimpleAggregateFunction(groupBitOr, UInt32) CODEC(ZSTD(1)),
    `kinds` SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1)),
    `labels` Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
PRIMARY KEY (tenant, metric)
ORDER BY (tenant, metric, mapValues(labels), id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS metrics_labels
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `month` Date CODEC(ZSTD(1)),
    `name` LowCardinality(String) CODEC(ZSTD(1)),
    `value` String CODEC(ZSTD(1)),
    `days` SimpleAggregateFunction(groupBitOr, UInt32) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, name, value)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS metrics_exemplars
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `series` UInt128 CODEC(ZSTD(1)),
    `time` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `value` Float64 CODEC(ZSTD(1)),
    `labels` Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
PRIMARY KEY (tenant, metric, series, time)
ORDER BY (tenant, metric, series, time, value, mapValues(labels))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS metrics_metadata
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` String CODEC(ZSTD(1)),
    `type` LowCardinality(String) CODEC(ZSTD(1)),
    `unit` LowCardinality(String) CODEC(ZSTD(1)),
    `help` String CODEC(ZSTD(1)),
    `seen` Date CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (tenant, metric, type, unit, help)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

