package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"runtime"
	"strings"
	"text/template"
)

// engines are the table and database engines that do not reach out of the
// database.
var engines = []string{
	"Atomic", "MergeTree", "ReplacingMergeTree", "SummingMergeTree", "AggregatingMergeTree", "CollapsingMergeTree",
	"VersionedCollapsingMergeTree", "CoalescingMergeTree", "Distributed", "Memory", "Null", "Buffer", "Merge", "Join", "Set",
}

// Names that the parent and the child agree on.
const (
	user     = "watchfire"
	database = "watchfire"
	backups  = "backups" // the disk that BACKUP and RESTORE use
)

// settings is what the templates need.
type settings struct {
	Data, Run, Backups string // absolute folders
	HTTPPort           int
	Memory             uint64
	MarkCache          uint64
	UncompressedCache  uint64
	Threads            int
	MaxQueries         int
	Password           string // of the application's user
	Cluster            *Cluster
	Engines            []string
}

func newSettings(c Config, data, run string, port int, password string) settings {
	s := settings{
		Data: data, Run: run, Backups: c.Backups, HTTPPort: port,
		Memory: c.MemoryBytes, Threads: c.Threads, MaxQueries: c.MaxQueries,
		Password: password, Cluster: c.Cluster, Engines: engines,
	}
	if s.Memory == 0 {
		s.Memory = memoryShare(availableMemory("/"))
	}
	if s.Threads == 0 {
		s.Threads = runtime.NumCPU()
	}
	s.MarkCache = s.Memory / 16
	s.UncompressedCache = s.Memory / 32
	return s
}

// xmlText escapes text for an element's content.
var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

var funcs = template.FuncMap{
	"xml":  xmlText.Replace,
	"host": func(addr string) string { h, _, _ := net.SplitHostPort(addr); return h },
	"port": func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p },
	"sha256": func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	},
	"div": func(a uint64, b uint64) uint64 { return a / b },
}

var configTemplate = template.Must(template.New("config").Funcs(funcs).Parse(`<clickhouse>
    <logger>
        <level>warning</level>
        <console>1</console>
    </logger>
    <path>{{xml .Data}}/</path>
    <tmp_path>{{xml .Data}}/tmp/</tmp_path>
    <user_files_path>{{xml .Data}}/user_files/</user_files_path>
    <format_schema_path>{{xml .Data}}/format_schemas/</format_schema_path>
    <users_config>{{xml .Run}}/users.xml</users_config>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{{.HTTPPort}}</http_port>
{{- with .Cluster}}
    <tcp_port>{{.TCPPort}}</tcp_port>
    <remote_servers>
        <{{.Name}}>
{{- $password := .Password}}{{range .Shards}}
            <shard><internal_replication>true</internal_replication><replica><host>{{host .}}</host><port>{{port .}}</port><user>` + user + `</user><password>{{xml $password}}</password><default_database>` + database + `</default_database></replica></shard>
{{- end}}
        </{{.Name}}>
    </remote_servers>
{{- end}}
    <timezone>UTC</timezone>
    <max_server_memory_usage>{{.Memory}}</max_server_memory_usage>
    <max_concurrent_queries>{{.MaxQueries}}</max_concurrent_queries>
    <max_thread_pool_size>1000</max_thread_pool_size>
    <max_thread_pool_free_size>16</max_thread_pool_free_size>
    <mark_cache_size>{{.MarkCache}}</mark_cache_size>
    <index_mark_cache_size>{{.MarkCache}}</index_mark_cache_size>
    <primary_index_cache_size>{{.MarkCache}}</primary_index_cache_size>
    <uncompressed_cache_size>{{.UncompressedCache}}</uncompressed_cache_size>
    <index_uncompressed_cache_size>{{.UncompressedCache}}</index_uncompressed_cache_size>
    <mmap_cache_size>0</mmap_cache_size>
    <compiled_expression_cache_size>16777216</compiled_expression_cache_size>
    <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
    <background_pool_size>{{.Threads}}</background_pool_size>
    <background_schedule_pool_size>4</background_schedule_pool_size>
    <background_common_pool_size>2</background_common_pool_size>
    <background_move_pool_size>1</background_move_pool_size>
    <background_fetches_pool_size>1</background_fetches_pool_size>
    <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
    <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
    <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
    <tables_loader_background_pool_size>2</tables_loader_background_pool_size>
    <asynchronous_metrics_update_period_s>30</asynchronous_metrics_update_period_s>
    <send_crash_reports><enabled>0</enabled></send_crash_reports>
    <storage_configuration>
        <disks>
            <` + backups + `><type>local</type><path>{{xml .Backups}}/</path></` + backups + `>
        </disks>
    </storage_configuration>
    <backups>
        <allowed_disk>` + backups + `</allowed_disk>
        <allowed_path>{{xml .Backups}}/</allowed_path>
    </backups>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
        <non_replicated_deduplication_window>10000</non_replicated_deduplication_window>
        <materialize_ttl_recalculate_only>1</materialize_ttl_recalculate_only>
        <number_of_free_entries_in_pool_to_execute_mutation>0</number_of_free_entries_in_pool_to_execute_mutation>
        <number_of_free_entries_in_pool_to_lower_max_size_of_merge>0</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
        <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>0</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    </merge_tree>
</clickhouse>
`))

// usersTemplate fences the session that keeps clickhouse-local alive, which
// logs in as "default" from loopback without a password, whatever the
// configuration says: all that default may do is open the listeners and wait,
// and its quota is just the queries that this takes, so that nobody after it
// can run any. Our own user has its database and no way to networks and, but
// for the function file(), to files: the last line should a query compiler let
// a user's SQL through.
var usersTemplate = template.Must(template.New("users").Funcs(funcs).Parse(`<clickhouse>
    <profiles>
        <default>
            <max_threads>{{.Threads}}</max_threads>
            <max_memory_usage>{{div .Memory 2}}</max_memory_usage>
            <async_insert>0</async_insert>
            <allow_experimental_time_series_aggregate_functions>1</allow_experimental_time_series_aggregate_functions>
            <materialize_ttl_after_modify>0</materialize_ttl_after_modify>
            <max_partitions_per_insert_block>1000</max_partitions_per_insert_block>
            <log_queries>0</log_queries>
        </default>
        <internal/>
    </profiles>
    <quotas>
        <default/>
        <internal><interval><duration>315576000</duration><queries>{{if .Cluster}}3{{else}}2{{end}}</queries></interval></internal>
    </quotas>
    <users>
        <default>
            <password></password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>internal</profile>
            <quota>internal</quota>
            <grants>
                <query>GRANT SYSTEM LISTEN ON *.*</query>
                <query>GRANT SELECT ON system.numbers</query>
            </grants>
        </default>
        <` + user + `>
            <password_sha256_hex>{{sha256 .Password}}</password_sha256_hex>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>
                <query>GRANT ALL ON ` + database + `.*</query>
                <query>GRANT SELECT ON system.*</query>
                <query>GRANT CREATE TEMPORARY TABLE, KILL QUERY, BACKUP, SYSTEM ON *.*</query>
{{- range .Engines}}
                <query>GRANT TABLE ENGINE ON {{.}}</query>
{{- end}}
{{- if .Cluster}}
                <query>GRANT REMOTE ON *.*</query>
{{- end}}
            </grants>
        </` + user + `>
    </users>
</clickhouse>
`))

func render(t *template.Template, s settings) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("cannot render the engine's %s: %w", t.Name(), err)
	}
	return b.String(), nil
}
