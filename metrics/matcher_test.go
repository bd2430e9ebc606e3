package metrics

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

func TestMatcherSQL(t *testing.T) {
	for _, tt := range []struct {
		typ         labels.MatchType
		name, value string
		want        string
	}{
		{labels.MatchEqual, "__name__", "up", `metric = 'up'`},
		{labels.MatchEqual, "job", "it's", `labels['job'] = 'it\'s'`},
		{labels.MatchEqual, "job", "", `labels['job'] = ''`},
		{labels.MatchNotEqual, "job", "a", `labels['job'] != 'a'`},
		{labels.MatchRegexp, "job", "a|b", `labels['job'] IN ('a', 'b')`},
		{labels.MatchRegexp, "job", "a.*", `match(labels['job'], '^(?s:a.*)$')`},
		{labels.MatchRegexp, "job", ".+", `labels['job'] != ''`},
		{labels.MatchRegexp, "job", ".*", `1`},
		{labels.MatchNotRegexp, "job", "a|b", `NOT (labels['job'] IN ('a', 'b'))`},
		{labels.MatchRegexp, "job", `\p{Greek}+`, ``},
		{labels.MatchRegexp, "job", `ab\p{Greek}+`, `startsWith(labels['job'], 'ab')`},
		{labels.MatchNotRegexp, "job", `ab\p{Greek}+`, ``},
	} {
		m := labels.MustNewMatcher(tt.typ, tt.name, tt.value)
		require.Equal(t, tt.want, matcherSQL(m), m.String())
	}
}

// FuzzMatcherSQL holds conditions against Prometheus' matchers: SQL may let
// more through, but never less.
func FuzzMatcherSQL(f *testing.F) {
	values := []string{"", "a", "A", "ab", "a\nb", "a'b\\", "é", "ſ", "k", "\u212a", "foo.bar", "0", "a|b", "日本", "-", "\x00"}
	for _, expr := range []string{"", "a", "a|b", ".*", ".+", "a.*", ".*b", "(?i)k", "(?i)S", "[^a]", "[a-c]+", `\d`, `\w+`, "^a$", "a$|^b", "(a)(b)?", "a{2,3}", `\Qa|b\E`, "(?U)a+",
		`\p{L}`, "é", ".", "a\\nb", `\x{e9}`, `\bfoo\b`, `[[:alpha:]]+`, "(?-s).*", "a||b", "(|a)", "foo.bar", `(?:a|b).*`, `\z`, `\C`, "(?m)^a$", "x*", "a.b", "[é-ü]", "\x00"} {
		for i, v := range values {
			f.Add(expr, v, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, expr, value string, typ uint8) {
		if !utf8.ValidString(value) || !utf8.ValidString(expr) {
			t.Skip()
		}
		m, err := labels.NewMatcher(labels.MatchType(typ%4), "x", expr)
		if err != nil {
			t.Skip()
		}
		cond := valueSQL(storage.String(value), m)
		if cond == "" || cond == "1" {
			return
		}
		if got := evaluate(t, cond); m.Matches(value) && !got {
			t.Fatalf("%s is false, but %s matches %q", cond, m, value)
		}
	})
}

// evaluate has ClickHouse evaluate a condition.
func evaluate(t *testing.T, cond string) bool {
	t.Helper()
	var column proto.ColUInt8
	got := false
	_, err := enginetest.Client(t).Select(t.Context(), storage.Select{
		SQL:    fmt.Sprintf("SELECT toUInt8(%s) AS x", cond),
		Result: proto.Results{{Name: "x", Data: &column}},
		OnBlock: func(int) error {
			got = column[0] == 1
			return nil
		},
	})
	require.NoError(t, err, cond)
	return got
}
