-- traces 1: tables
CREATE TABLE IF NOT EXISTS spans_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `slot` UInt32 CODEC(Delta(4), ZSTD(1)),
    `service` LowCardinality(String),
    `name` LowCardinality(String),
    `start` Int64 CODEC(Delta(8), ZSTD(1)),
    `duration` Int64 CODEC(T64, ZSTD(1)),
    `trace_id` FixedString(16) CODEC(ZSTD(1)),
    `span_id` FixedString(8) CODEC(ZSTD(1)),
    `parent_id` FixedString(8) CODEC(ZSTD(1)),
    `kind` UInt8 CODEC(ZSTD(1)),
    `status` UInt8 CODEC(ZSTD(1)),
    `status_message` String CODEC(ZSTD(1)),
    `application` LowCardinality(String),
    `cluster` LowCardinality(String),
    `namespace` LowCardinality(String),
    `resource_id` UInt64 CODEC(ZSTD(1)),
    `scope_name` LowCardinality(String),
    `scope_version` LowCardinality(String),
    `attrs` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `attr_kinds` Array(UInt8) CODEC(ZSTD(1)),
    `event_names` Array(LowCardinality(String)),
    `link_traces` Array(FixedString(16)) CODEC(ZSTD(1)),
    `link_spans` Array(FixedString(8)) CODEC(ZSTD(1)),
    `peer` LowCardinality(String),
    `peer_kind` LowCardinality(String),
    INDEX attr_values mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(start, 86400000000000)))))
ORDER BY (tenant, slot, service, name, start)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS spans ON CLUSTER `main` AS spans_local
ENGINE = Distributed('main', currentDatabase(), spans_local, sipHash64(trace_id));

CREATE TABLE IF NOT EXISTS spans_by_trace_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `trace_id` FixedString(16) CODEC(ZSTD(1)),
    `span_id` FixedString(8) CODEC(ZSTD(1)),
    `kind` UInt8 CODEC(ZSTD(1)),
    `start` Int64 CODEC(ZSTD(1)),
    `resource` LowCardinality(String),
    `scope` LowCardinality(String),
    `span` String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(start, 86400000000000)))))
ORDER BY (tenant, trace_id, span_id, kind)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 2048;

CREATE TABLE IF NOT EXISTS spans_by_trace ON CLUSTER `main` AS spans_by_trace_local
ENGINE = Distributed('main', currentDatabase(), spans_by_trace_local, sipHash64(trace_id));

CREATE TABLE IF NOT EXISTS spans_resources_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `day` Date,
    `id` UInt64,
    `attrs` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `attr_kinds` Array(UInt8) CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS spans_resources ON CLUSTER `main` AS spans_resources_local
ENGINE = Distributed('main', currentDatabase(), spans_resources_local, id);

