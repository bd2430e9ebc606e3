package logs

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// Store reads what Writers wrote. It is safe for concurrent use.
type Store struct {
	cfg    QueryConfig
	client *storage.Client
}

// NewStore returns a Store that keeps to the limits of cfg.
func NewStore(cfg QueryConfig, client *storage.Client) *Store {
	return &Store{cfg: cfg, client: client}
}

// limits are put on every statement of a query.
func (s *Store) limits(ctx context.Context) context.Context {
	return storage.WithLimits(ctx, storage.Limits{MaxTime: s.cfg.Timeout, MaxRowsRead: s.cfg.MaxRowsRead, MaxMemory: s.cfg.MaxMemory})
}

// span is a time range in Unix nanoseconds, its end excluded.
type span struct{ from, to int64 }

func (s span) empty() bool { return s.from >= s.to }

// streamSet are the streams that a query selects.
type streamSet struct {
	tenant   string
	matchers []*labels.Matcher
	span     span
	index    map[proto.UInt128]int // into labels
	ids      []proto.UInt128
	labels   []labels.Labels
}

// has reports whether any of the streams has a label.
func (s *streamSet) has(name string) bool {
	for _, ls := range s.labels {
		if ls.Has(name) {
			return true
		}
	}
	return false
}

// streams finds the streams that match and had lines on the days of a span.
func (s *Store) streams(ctx context.Context, tenant string, matchers []*labels.Matcher, sp span) (*streamSet, error) {
	set := &streamSet{tenant: tenant, matchers: matchers, span: sp, index: map[proto.UInt128]int{}}
	if sp.empty() {
		return set, nil
	}
	var (
		id proto.ColUInt128
		m  = proto.NewMap(new(proto.ColStr), new(proto.ColStr)) // any() takes LowCardinality away
		b  = labels.NewScratchBuilder(16)
	)
	_, err := s.client.Select(s.limits(ctx), storage.Select{
		SQL:    "SELECT stream, any(labels) AS labels FROM (SELECT stream, labels FROM " + streamsTable.Name + " WHERE " + streamsWhere(tenant, matchers, sp) + ") GROUP BY stream",
		Result: proto.Results{{Name: "stream", Data: &id}, {Name: "labels", Data: m}},
		OnBlock: func(rows int) error {
			for i := range rows {
				b.Reset()
				for _, kv := range m.RowKV(i) {
					b.Add(kv.Key, kv.Value)
				}
				b.Sort()
				if ls := b.Labels(); matchesAll(matchers, ls) {
					set.index[id[i]] = len(set.ids)
					set.ids = append(set.ids, id[i])
					set.labels = append(set.labels, ls)
				}
			}
			if s.cfg.MaxStreams > 0 && len(set.ids) > s.cfg.MaxStreams {
				return server.Invalid("the selector selects more than %d streams: make it narrower, or raise logs.query.max_streams", s.cfg.MaxStreams)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// streamsWhere selects rows of streamsTable: all that match, perhaps more.
func streamsWhere(tenant string, matchers []*labels.Matcher, sp span) string {
	conds := []string{"tenant = " + storage.String(tenant), fmt.Sprintf("day BETWEEN toDate(%d) AND toDate(%d)", dayAt(sp.from), dayAt(sp.to-1))}
	for _, m := range matchers {
		if c := streamMatcher(m); c != "" {
			conds = append(conds, c)
		}
	}
	return strings.Join(conds, " AND ")
}

// streamMatcher is the condition of one matcher on a stream's labels, empty
// when SQL can't help.
func streamMatcher(m *labels.Matcher) string {
	column := "labels[" + storage.String(m.Name) + "]"
	set, ok := matchedSet(m)
	switch {
	case ok && (m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp):
		return column + " IN " + storage.Strings(set)
	case ok:
		return column + " NOT IN " + storage.Strings(set)
	case m.Type == labels.MatchRegexp && m.Value == ".+":
		return column + " != ''"
	}
	return ""
}

func matchesAll(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// maxListed is how many stream ids a statement lists; beyond, it selects them
// anew.
const maxListed = 2000

// where selects rows of recordsTable within a span. Rows of streams that are
// not in the set may come too, when there are many.
func (s *streamSet) where(sp span) []string {
	conds := []string{
		"tenant = " + storage.String(s.tenant),
		fmt.Sprintf("%s BETWEEN %d AND %d", hourOfTime, sp.from/nsPerHour, (sp.to-1)/nsPerHour),
		fmt.Sprintf("time >= %d", sp.from), fmt.Sprintf("time < %d", sp.to),
	}
	if len(s.ids) > maxListed {
		return append(conds, "stream GLOBAL IN (SELECT stream FROM "+streamsTable.Name+" WHERE "+streamsWhere(s.tenant, s.matchers, s.span)+")")
	}
	var b strings.Builder
	for i, id := range s.ids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + decimal(id) + "'")
	}
	return append(conds, "stream IN ("+b.String()+")")
}

// exact reports whether where lets through rows of the set only.
func (s *streamSet) exact() bool { return len(s.ids) <= maxListed }

// decimal is a UInt128 as SQL understands it in a string.
func decimal(id proto.UInt128) string {
	n := new(big.Int).SetUint64(id.High)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(id.Low)).String()
}
