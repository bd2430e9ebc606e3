-- metrics 1: samples
CREATE TABLE IF NOT EXISTS samples_local ON CLUSTER `main`
(
    `tenant` LowCardinality(String),
    `time` Int64 CODEC(DoubleDelta, LZ4),
    `value` Float64 DEFAULT 0,
    INDEX by_value value TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', time)
PARTITION BY intDiv(time, 86400000)
PRIMARY KEY (tenant)
ORDER BY (tenant, time)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192;

CREATE TABLE IF NOT EXISTS samples ON CLUSTER `main` AS samples_local
ENGINE = Distributed('main', currentDatabase(), samples_local, cityHash64(tenant));

