package metrics

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// generations count, for every metric, how often series of it were
// registered. Metrics that share a counter only make each other's cached
// lookups end early.
type generations struct{ counters [1 << 14]atomic.Uint64 }

func (g *generations) of(tenant, metric string) *atomic.Uint64 {
	h := xxhash.Sum64String(tenant)*31 + xxhash.Sum64String(metric)
	return &g.counters[h%uint64(len(g.counters))]
}

// next is called when a series is durable, before its push is acknowledged.
func (g *generations) next(tenant, metric string) { g.of(tenant, metric).Add(1) }

// seriesCache remembers which series a selector found, as long as no series of
// its metric was registered since. When it is full it forgets everything.
type seriesCache struct {
	most        int
	generations *generations

	mu      sync.Mutex
	entries map[string]cachedSeries
	size    int // series in entries
}

type cachedSeries struct {
	generation uint64
	found      *found
}

func newSeriesCache(most int, g *generations) *seriesCache {
	return &seriesCache{most: most, generations: g, entries: map[string]cachedSeries{}}
}

// key names a selection, with the generation before it is looked up. ok is
// false for selections without a metric name: any new series may end those.
func (c *seriesCache) key(sel selection) (key string, generation uint64, ok bool) {
	if c == nil {
		return "", 0, false
	}
	var b strings.Builder
	b.WriteString(sel.tenant)
	b.WriteByte(0)
	b.WriteString(strconv.Itoa(int(dayAt(sel.mint))))
	b.WriteByte('-')
	b.WriteString(strconv.Itoa(int(dayAt(sel.maxt))))
	for _, m := range sel.matchers {
		if m.Type == labels.MatchEqual && m.Name == labels.MetricName && m.Value != "" {
			generation, ok = c.generations.of(sel.tenant, m.Value).Load(), true
		}
		b.WriteByte(0)
		b.WriteString(m.Name)
		b.WriteString(m.Type.String())
		b.WriteString(m.Value)
	}
	return b.String(), generation, ok
}

func (c *seriesCache) get(key string, generation uint64) *found {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok || e.generation != generation {
		return nil
	}
	return e.found
}

func (c *seriesCache) put(key string, generation uint64, f *found) {
	size := len(f.series) + 1
	if size > c.most {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries[key]; ok {
		c.size -= len(old.found.series) + 1
	}
	if c.size+size > c.most {
		clear(c.entries)
		c.size = 0
	}
	c.entries[key] = cachedSeries{generation: generation, found: f}
	c.size += size
}
