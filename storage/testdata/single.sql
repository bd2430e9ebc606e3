-- metrics 1: samples
CREATE TABLE IF NOT EXISTS samples
(
    `tenant` LowCardinality(String),
    `time` Int64 CODEC(DoubleDelta, LZ4),
    `value` Float64 DEFAULT 0,
    INDEX by_value value TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(time)
PARTITION BY intDiv(time, 86400000)
PRIMARY KEY (tenant)
ORDER BY (tenant, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000, index_granularity = 8192;

