package alerting

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/rules"
)

func builtinRules(t *testing.T, set string) []*rules.Group {
	t.Helper()
	groups, err := rules.Builtin([]string{set}, rules.Options{})
	require.NoError(t, err)
	return groups
}

// The host rules use hostmetrics' names as otlptranslator makes them.
func TestBuiltinHostNames(t *testing.T) {
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true, UTF8Allowed: false}
	names := map[string]bool{}
	for _, m := range []otlptranslator.Metric{
		{Name: "system.cpu.time", Unit: "s", Type: otlptranslator.MetricTypeMonotonicCounter},
		{Name: "system.cpu.logical.count", Unit: "{cpu}", Type: otlptranslator.MetricTypeNonMonotonicCounter},
		{Name: "system.cpu.load_average.1m", Unit: "{thread}", Type: otlptranslator.MetricTypeGauge},
		{Name: "system.cpu.load_average.15m", Unit: "{thread}", Type: otlptranslator.MetricTypeGauge},
		{Name: "system.memory.usage", Unit: "By", Type: otlptranslator.MetricTypeNonMonotonicCounter},
		{Name: "system.filesystem.usage", Unit: "By", Type: otlptranslator.MetricTypeNonMonotonicCounter},
		{Name: "system.filesystem.inodes.usage", Unit: "{inodes}", Type: otlptranslator.MetricTypeNonMonotonicCounter},
		{Name: "system.disk.io_time", Unit: "s", Type: otlptranslator.MetricTypeMonotonicCounter},
		{Name: "system.network.errors", Unit: "{errors}", Type: otlptranslator.MetricTypeMonotonicCounter},
	} {
		name, err := namer.Build(m)
		require.NoError(t, err)
		names[name] = true
	}
	for _, g := range builtinRules(t, "hosts") {
		for _, r := range g.Rules {
			for _, expr := range r.Exprs {
				used, complete := rules.Metrics(expr)
				require.True(t, complete)
				for _, n := range used {
					require.True(t, names[n], "%s uses %s, known are %v", r.Name, n, names)
				}
			}
		}
	}
}

// Series of a host in trouble, one sample each 30 s for seven hours.
const otelHost = `load 30s
  system_cpu_time_seconds_total{host_name="a",cpu="cpu0",state="idle"} 0+1x840
  system_cpu_time_seconds_total{host_name="a",cpu="cpu0",state="user"} 0+29x840
  system_cpu_logical_count{host_name="a"} 1x840
  system_cpu_load_average_1m{host_name="a"} 8x840
  system_cpu_load_average_15m{host_name="a"} 8x840
  system_memory_usage_bytes{host_name="a",state="used"} 98x840
  system_memory_usage_bytes{host_name="a",state="free"} 2x840
  system_filesystem_usage_bytes{host_name="a",device="d",mode="rw",mountpoint="/",type="ext4",state="used"} 9500+0.5x840
  system_filesystem_usage_bytes{host_name="a",device="d",mode="rw",mountpoint="/",type="ext4",state="free"} 500-0.5x840
  system_filesystem_usage_bytes{host_name="a",device="d",mode="rw",mountpoint="/",type="ext4",state="reserved"} 10x840
  system_filesystem_inodes_usage{host_name="a",device="d",mode="rw",mountpoint="/",type="ext4",state="used"} 99x840
  system_filesystem_inodes_usage{host_name="a",device="d",mode="rw",mountpoint="/",type="ext4",state="free"} 1x840
  system_disk_io_time_seconds_total{host_name="a",device="sda"} 0+30x840
  system_network_errors_total{host_name="a",device="eth0",direction="receive"} 0+900x840
`

const nodeHost = `load 30s
  node_cpu_seconds_total{instance="a",cpu="0",mode="idle"} 0+1x840
  node_cpu_seconds_total{instance="a",cpu="0",mode="user"} 0+29x840
  node_load1{instance="a"} 8x840
  node_load15{instance="a"} 8x840
  node_memory_MemAvailable_bytes{instance="a"} 2x840
  node_memory_MemTotal_bytes{instance="a"} 100x840
  node_filesystem_avail_bytes{instance="a",device="d",mountpoint="/",fstype="ext4"} 500-0.5x840
  node_filesystem_size_bytes{instance="a",device="d",mountpoint="/",fstype="ext4"} 10000x840
  node_filesystem_readonly{instance="a",device="d",mountpoint="/",fstype="ext4"} 0x840
  node_filesystem_files{instance="a",device="d",mountpoint="/",fstype="ext4"} 100x840
  node_filesystem_files_free{instance="a",device="d",mountpoint="/",fstype="ext4"} 1x840
  node_disk_io_time_seconds_total{instance="a",device="sda"} 0+30x840
  node_network_receive_errs_total{instance="a",device="eth0"} 0+900x840
  node_network_transmit_errs_total{instance="a",device="eth0"} 0x840
`

const watchfireInTrouble = `load 30s
  watchfire_storage_spool_oldest_timestamp_seconds{instance="w",table="x"} 100x840
  watchfire_storage_spool_corrupt_blocks_total{instance="w"} 0+1x840
  watchfire_collector_rejected_records_total{instance="w",protocol="otlp",signal="logs",reason="too_old"} 0+9000x840
  watchfire_collector_dropped_records_total{instance="w",protocol="syslog",signal="logs"} 0+1x840
  watchfire_engine_restarts_total{instance="w"} 0+1x840
  watchfire_alerting_slots_missed_total{instance="w"} 0+5x840
  watchfire_alerting_evaluations_total{instance="w",outcome="failure"} 0+9x840
  watchfire_alerting_evaluations_total{instance="w",outcome="success"} 0+1x840
  alertmanager_notifications_failed_total{instance="w",tenant="default",integration="webhook"} 0+1x840
  watchfire_server_certificate_expiry_seconds{instance="w",listener="main"} 30000x840
`

// Each level of each rule is reached in a host, or a Watchfire, in trouble.
func TestBuiltinRulesFire(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	for set, load := range map[string]string{"hosts": otelHost, "node_exporter": nodeHost, "watchfire": watchfireInTrouble} {
		storage := promqltest.LoadedStorage(t, load)
		for _, g := range builtinRules(t, set) {
			for _, r := range g.Rules {
				for _, l := range r.Levels {
					t.Run(fmt.Sprintf("%s/%s/%s", set, r.Name, l.Level), func(t *testing.T) {
						q, err := engine.NewInstantQuery(t.Context(), storage, nil, r.Exprs[l.Expr], time.Unix(6*3600, 0))
						require.NoError(t, err)
						defer q.Close()
						v, err := q.Exec(t.Context()).Vector()
						require.NoError(t, err)
						require.Len(t, v, 1)
						if r.Name == "HostSilent" { // seen, so not silent
							require.False(t, l.Op.Holds(v[0].F, l.Threshold))
							return
						}
						require.True(t, l.Op.Holds(v[0].F, l.Threshold), "value %v %s %v", v[0].F, l.Op, l.Threshold)
						checkTexts(t, r, &l, v[0])
					})
				}
			}
		}
	}
}

var han = regexp.MustCompile(`\p{Han}`)

// checkTexts expands the summaries: both languages, no label left empty.
func checkTexts(t *testing.T, r *rules.Rule, l *rules.LevelRule, s promql.Sample) {
	t.Helper()
	d := &rules.TemplateData{Labels: s.Metric.Map(), Value: s.F, Level: l.Level.String(), Threshold: l.Threshold}
	en := rules.Expand(t.Context(), r.Name, r.Annotations.Get("summary"), d, time.Now(), nil, nil)
	zh := rules.Expand(t.Context(), r.Name, r.Annotations.Get("summary_zh"), d, time.Now(), nil, nil)
	require.NotEmpty(t, en)
	require.False(t, han.MatchString(en))
	require.True(t, han.MatchString(zh))
	for _, text := range []string{en, zh} {
		require.NotContains(t, text, "<")
		require.NotContains(t, text, "  ")
	}
}

// The built-in sets are documented.
func TestBuiltinSets(t *testing.T) {
	require.Equal(t, []string{"hosts", "node_exporter", "watchfire"}, rules.BuiltinSets())
	_, err := rules.Builtin([]string{"x"}, rules.Options{})
	require.ErrorContains(t, err, strings.Join(rules.BuiltinSets(), ", "))
	var names []string
	for _, g := range builtinRules(t, "hosts") {
		for _, r := range g.Rules {
			names = append(names, r.Name)
		}
	}
	require.True(t, slices.Contains(names, "HostFilesystemFillingUp"))
}
