CREATE TABLE IF NOT EXISTS metrics_samples_local ON CLUSTER `watchfire`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
ORDER BY (tenant, metric, series, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_samples ON CLUSTER `watchfire` AS metrics_samples_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_samples_local, cityHash64(series));

CREATE TABLE IF NOT EXISTS metrics_histograms_local ON CLUSTER `watchfire`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
ORDER BY (tenant, metric, series, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_histograms ON CLUSTER `watchfire` AS metrics_histograms_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_histograms_local, cityHash64(series));

CREATE TABLE IF NOT EXISTS metrics_series_local ON CLUSTER `watchfire`
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `month` Date CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `id` UInt128 CODEC(ZSTD(1)),
    `days` SimpleAggregateFunction(groupBitOr, UInt32) CODEC(ZSTD(1)),
    `kinds` SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1)),
    `labels` Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
PRIMARY KEY (tenant, metric)
ORDER BY (tenant, metric, mapValues(labels), id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_series ON CLUSTER `watchfire` AS metrics_series_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_series_local, cityHash64(id));

CREATE TABLE IF NOT EXISTS metrics_labels_local ON CLUSTER `watchfire`
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `month` Date CODEC(ZSTD(1)),
    `name` LowCardinality(String) CODEC(ZSTD(1)),
    `value` String CODEC(ZSTD(1)),
    `days` SimpleAggregateFunction(groupBitOr, UInt32) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY month
ORDER BY (tenant, name, value)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_labels ON CLUSTER `watchfire` AS metrics_labels_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_labels_local, cityHash64(name, value));

CREATE TABLE IF NOT EXISTS metrics_exemplars_local ON CLUSTER `watchfire`
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` LowCardinality(String) CODEC(ZSTD(1)),
    `series` UInt128 CODEC(ZSTD(1)),
    `time` Int64 CODEC(DoubleDelta, ZSTD(1)),
    `value` Float64 CODEC(ZSTD(1)),
    `labels` Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000)))))
PRIMARY KEY (tenant, metric, series, time)
ORDER BY (tenant, metric, series, time, value, mapValues(labels))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_exemplars ON CLUSTER `watchfire` AS metrics_exemplars_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_exemplars_local, cityHash64(series));

CREATE TABLE IF NOT EXISTS metrics_metadata_local ON CLUSTER `watchfire`
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `metric` String CODEC(ZSTD(1)),
    `type` LowCardinality(String) CODEC(ZSTD(1)),
    `unit` LowCardinality(String) CODEC(ZSTD(1)),
    `help` String CODEC(ZSTD(1)),
    `seen` Date CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', seen)
ORDER BY (tenant, metric, type, unit, help)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_metadata ON CLUSTER `watchfire` AS metrics_metadata_local
ENGINE = Distributed('watchfire', currentDatabase(), metrics_metadata_local, cityHash64(metric));

