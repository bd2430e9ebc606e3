-- events 1: tables
CREATE TABLE IF NOT EXISTS events_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `time` Int64 CODEC(Delta(8), ZSTD(1)),
    `source` LowCardinality(String),
    `id` String CODEC(ZSTD(1)),
    `entity_kind` LowCardinality(String),
    `cluster` LowCardinality(String),
    `namespace` LowCardinality(String),
    `name` String CODEC(ZSTD(1)),
    `uid` String CODEC(ZSTD(1)),
    `severity` UInt8 CODEC(ZSTD(1)),
    `reason` LowCardinality(String),
    `message` String CODEC(ZSTD(1)),
    `count` UInt32 CODEC(ZSTD(1)),
    `attr_keys` Array(LowCardinality(String)),
    `attr_kinds` Array(UInt8) CODEC(ZSTD(1)),
    `attr_values` Array(String) CODEC(ZSTD(1)),
    `change_kind` LowCardinality(String),
    `reference` String CODEC(ZSTD(1)),
    `author` LowCardinality(String),
    `title` String CODEC(ZSTD(1)),
    `before` String CODEC(ZSTD(1)),
    `after` String CODEC(ZSTD(1)),
    `url` String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', count)
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000000000)))))
ORDER BY (tenant, time, source, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS events ON CLUSTER `main` AS events_local
ENGINE = Distributed('main', currentDatabase(), events_local, sipHash64(source, id));

CREATE TABLE IF NOT EXISTS object_states_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `cluster` LowCardinality(String),
    `kind` LowCardinality(String),
    `namespace` LowCardinality(String),
    `name` String CODEC(ZSTD(1)),
    `time` Int64 CODEC(Delta(8), ZSTD(1)),
    `uid` String CODEC(ZSTD(1)),
    `version` String CODEC(ZSTD(1)),
    `deleted` UInt8 CODEC(ZSTD(1)),
    `object` String CODEC(ZSTD(3))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(toUInt16(greatest(0, least(65535, intDiv(time, 86400000000000)))))
ORDER BY (tenant, cluster, kind, namespace, name, time, uid, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS object_states ON CLUSTER `main` AS object_states_local
ENGINE = Distributed('main', currentDatabase(), object_states_local, sipHash64(cluster, kind, namespace, name));

