CREATE TABLE IF NOT EXISTS logs_records
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `stream` UInt128 CODEC(ZSTD(1)),
    `time` Int64 CODEC(Delta, ZSTD(1)),
    `ord` UInt16 CODEC(ZSTD(1)),
    `observed` Int64 CODEC(Delta, ZSTD(1)),
    `application` LowCardinality(String) CODEC(ZSTD(1)),
    `service` LowCardinality(String) CODEC(ZSTD(1)),
    `cluster` LowCardinality(String) CODEC(ZSTD(1)),
    `namespace` LowCardinality(String) CODEC(ZSTD(1)),
    `severity` UInt8 CODEC(ZSTD(1)),
    `trace_id` FixedString(16) CODEC(ZSTD(1)),
    `span_id` FixedString(8) CODEC(ZSTD(1)),
    `metadata` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `pattern` UInt64 DEFAULT 0 CODEC(ZSTD(1)),
    `body` String CODEC(ZSTD(1)),
    INDEX body_tokens body TYPE text(tokenizer = splitByNonAlpha, posting_list_codec = 'bitpacking'),
    INDEX trace_ids trace_id TYPE bloom_filter(0.025) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000000000))))))
ORDER BY (tenant, intDiv(time, 3600000000000), stream, time, ord)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS logs_streams
(
    `tenant` LowCardinality(String) CODEC(ZSTD(1)),
    `day` Date CODEC(ZSTD(1)),
    `stream` UInt128 CODEC(ZSTD(1)),
    `labels` Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(day)
ORDER BY (tenant, day, stream)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
