package dashboards

import (
	"context"
	"math"
	"sort"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// hostQueries read the hosts under both naming schemes: OpenTelemetry's
// hostmetrics, where host_name names the machine, and node_exporter's, where
// instance does. The second column is the label that names the host.
var hostQueries = []struct {
	expr  string
	label string
	set   func(h *Host, v float64)
}{
	{`max by (host_name) (max_over_time(timestamp(system_cpu_load_average_1m)[1h:1m]))`, "host_name", setSeen},
	{`1 - sum by (host_name) (rate(system_cpu_time_seconds_total{state="idle"}[2m])) / sum by (host_name) (rate(system_cpu_time_seconds_total[2m]))`, "host_name", func(h *Host, v float64) { h.CPU = &v }},
	{`sum by (host_name) (system_memory_usage_bytes{state="used"}) / sum by (host_name) (system_memory_usage_bytes)`, "host_name", func(h *Host, v float64) { h.Memory = &v }},
	{`max by (host_name) (sum by (host_name, device) (max by (host_name, device, state) (system_filesystem_usage_bytes{state="used"})) / sum by (host_name, device) (max by (host_name, device, state) (system_filesystem_usage_bytes)))`, "host_name", func(h *Host, v float64) { h.Disk = &v }},
	{`max by (instance) (max_over_time(timestamp(node_load1)[1h:1m]))`, "instance", setSeen},
	{`1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[2m]))`, "instance", func(h *Host, v float64) { h.CPU = &v }},
	{`1 - max by (instance) (node_memory_MemAvailable_bytes) / max by (instance) (node_memory_MemTotal_bytes)`, "instance", func(h *Host, v float64) { h.Memory = &v }},
	{`1 - min by (instance) (node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs"} / (node_filesystem_size_bytes > 0))`, "instance", func(h *Host, v float64) { h.Disk = &v }},
}

func setSeen(h *Host, seconds float64) { h.LastSeen = time.UnixMilli(int64(seconds * 1000)).UTC() }

// hosts lists the machines that reported within hostWindow, by name.
func (r *Reader) hosts(ctx context.Context, tenant string, now time.Time) ([]Host, error) {
	byName := map[string]*Host{}
	for _, q := range hostQueries {
		vector, err := r.Query(ctx, tenant, q.expr, now)
		if err != nil {
			return nil, err
		}
		merge(byName, vector, q.label, q.set)
	}
	hosts := make([]Host, 0, len(byName))
	for _, h := range byName {
		h.State = hostState(h.LastSeen, now)
		hosts = append(hosts, *h)
	}
	sort.Slice(hosts, func(i, j int) bool { return hosts[i].Name < hosts[j].Name })
	return hosts, nil
}

func merge(byName map[string]*Host, vector promql.Vector, label string, set func(*Host, float64)) {
	for _, s := range vector {
		name := s.Metric.Get(label)
		if name == "" || math.IsNaN(s.F) || math.IsInf(s.F, 0) {
			continue
		}
		h, ok := byName[name]
		if !ok {
			h = &Host{Name: name}
			byName[name] = h
		}
		set(h, s.F)
	}
}

// hostState never calls a silent host healthy, nor failed: it is late, then
// unknown.
func hostState(last, now time.Time) State {
	switch age := now.Sub(last); {
	case last.IsZero() || age > missingAfter:
		return StateUnknown
	case age > lateAfter:
		return StateLate
	}
	return StateOK
}
