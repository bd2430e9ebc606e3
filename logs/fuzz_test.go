package logs

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// FuzzLineFilter holds the SQL of a line filter against Loki's filter, over a
// line: SQL must let through what Loki does, and nothing else when it says that
// it is exact.
func FuzzLineFilter(f *testing.F) {
	for _, s := range []struct{ needle, line string }{
		{"error", "an error"}, {"err", "terror"}, {"=x y=", "a=x y=b"}, {"100%_\\", `100%_\`}, {"'", "it's"}, {"日志", "错误日志 1"},
		{"a|b", "b"}, {"(?i)err", "ERROR"}, {"^a.c$", "a\nc"}, {"\x00", "a\x00"}, {".+", "\n"}, {"[^a]", "a"}, {"x{2,3}", "axxb"}, {"\\bfoo\\b", "a foo"},
		{"(foo|bar)baz.*qux", "barbazqux"}, {"user_id=42 ok", "user_id=42 ok"}, {"\\pL+", "é"}, {"(?s)a.b", "a\nb"}, {"ſ", "S"}, {"(?i)k", "\u212a"}, {"a$", "a\n"}, {"", ""},
	} {
		f.Add(s.needle, s.line)
	}
	client := enginetest.Client(f)
	f.Fuzz(func(t *testing.T, needle, line string) {
		if !utf8.ValidString(line) || len(needle) > 1000 {
			return // the Writer makes lines valid
		}
		for _, ty := range []log.LineMatchType{log.LineMatchEqual, log.LineMatchNotEqual, log.LineMatchRegexp, log.LineMatchNotRegexp} {
			e := &syntax.LineFilterExpr{LineFilter: syntax.LineFilter{Ty: ty, Match: needle}}
			filter, err := e.Filter()
			if err != nil {
				continue
			}
			want := filter.Filter([]byte(line))
			c := lineFilter(e)
			if c.sql == "" {
				require.True(t, !c.exact || want, "%s %q over %q", ty, needle, line)
				continue
			}
			var got proto.ColUInt8
			_, err = client.Select(t.Context(), storage.Select{
				SQL:    "SELECT toUInt8(" + c.sql + ") AS m FROM (SELECT " + storage.String(line) + " AS body)",
				Result: proto.Results{{Name: "m", Data: &got}},
				OnBlock: func(int) error {
					require.True(t, got[0] == 1 || !want, "%s %q over %q: %s", ty, needle, line, c.sql)
					require.True(t, !c.exact || want == (got[0] == 1), "%s %q over %q: %s", ty, needle, line, c.sql)
					return nil
				},
			})
			require.NoError(t, err, "%s %q: %s", ty, needle, c.sql)
		}
	})
}

// FuzzLevel looks for panics in the detection of levels, and for levels of
// plain lines that Loki does not know.
func FuzzLevel(f *testing.F) {
	for _, s := range []string{`{"level":"info"}`, "level=warn x", "ERROR: x", `{"a":{"lvl":"DBG"}}`, "{", "=", `{"level":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		level := lineLevel(line)
		require.True(t, level == unknownLevel || severities[level] != 0, "%q", level)
		require.LessOrEqual(t, len(strings.TrimSpace(level)), 8)
	})
}
