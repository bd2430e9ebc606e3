package rules

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

var testOptions = Options{LogQL: func(expr string) error {
	if !strings.Contains(expr, "rate(") {
		return errors.New("not a metric query")
	}
	return nil
}}

var update = flag.Bool("update", false, "write golden files")

// Each message of the readers has a file that provokes it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			_, problems := Parse(filepath.Base(file), src, testOptions)
			require.Error(t, problems.Err())
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			got := problems.Error() + "\n"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func load(t *testing.T, file string) []*Group {
	t.Helper()
	groups, problems := Load([]string{file}, testOptions)
	require.NoError(t, problems.Err())
	return groups
}

func TestGradedFile(t *testing.T) {
	g := load(t, "testdata/good/graded.yaml")[0]
	require.Equal(t, "hosts", g.Name)
	require.Equal(t, 30*time.Second, g.Interval)
	require.Len(t, g.Rules, 3)

	full := g.Rules[0]
	require.True(t, full.Graded)
	require.True(t, full.Thresholds())
	require.Equal(t, []LevelRule{
		{Level: Critical, Op: Above, Threshold: 95, Clear: 93, For: 2 * time.Minute, KeepFiringFor: 5 * time.Minute},
		{Level: Major, Op: Above, Threshold: 90, Clear: 90, For: 5 * time.Minute, KeepFiringFor: 10 * time.Minute},
		{Level: Warning, Op: Above, Threshold: 80, Clear: 80, For: 30 * time.Minute, KeepFiringFor: 5 * time.Minute},
	}, full.Levels)
	require.Equal(t, UnknownPolicy{After: 10 * time.Minute, Notify: Minor, Forget: 2 * time.Hour}, full.Unknown)
	require.Equal(t, labels.FromStrings("team", "disks", "owner", "platform", "application", "storage"), full.Labels)
	require.Equal(t, "storage", full.Application)

	errs := g.Rules[1]
	require.Equal(t, LogQL, errs.Language)
	require.Len(t, errs.Exprs, 2)
	require.Equal(t, Present, errs.Levels[1].Op)
	require.True(t, errs.Unknown.Off)
	require.True(t, g.Rules[2].Record)
	require.Equal(t, labels.FromStrings("team", "core"), g.Rules[2].Labels)
}

func TestPrometheusFile(t *testing.T) {
	g := load(t, "testdata/good/prometheus.yaml")[0]
	require.Equal(t, "node", g.Name)
	require.Equal(t, 10*time.Second, g.QueryOffset)
	require.Equal(t, 5, g.Limit)
	require.Len(t, g.Rules, 3)
	down := g.Rules[1]
	require.Equal(t, []LevelRule{{Level: Critical, For: 5 * time.Minute, KeepFiringFor: time.Minute}}, down.Levels)
	require.False(t, down.Thresholds())
	require.Equal(t, Critical, down.LevelOf(Critical, labels.FromStrings("severity", "page")))
	too := g.Rules[2]
	require.Equal(t, 5*time.Minute, too.Levels[0].For, "merged from the anchor")
	require.Equal(t, Major, too.LevelOf(Warning, labels.FromStrings("severity", "error")))
	require.NotEqual(t, down.Key, too.Key)
}

// The example in the documentation is right.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rules.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(doc), "```yaml\n")
	require.True(t, found)
	example, _, _ := strings.Cut(rest, "```")
	groups, problems := Parse("docs/rules.md", []byte(example), testOptions)
	require.NoError(t, problems.Err())
	require.Len(t, groups[0].Rules[0].Levels, 3)
}

// A broken rule does not take the good ones of its file with it.
func TestGoodRulesSurvive(t *testing.T) {
	groups, problems := Parse("x", []byte("groups:\n- name: a\n  rules:\n  - {alert: A, expr: up ==}\n  - {alert: B, expr: up}\n"), testOptions)
	require.Len(t, problems, 1)
	require.Len(t, groups[0].Rules, 1)
}

func TestLoadMissing(t *testing.T) {
	_, problems := Load([]string{"testdata/none.yaml", "testdata/none*.yaml", "["}, testOptions)
	require.Len(t, problems, 2)
}

func TestKeysOfEqualRules(t *testing.T) {
	groups, problems := Parse("x", []byte("groups:\n- name: a\n  rules:\n  - {alert: A, expr: up}\n  - {alert: A, expr: down}\n"), testOptions)
	require.NoError(t, problems.Err())
	require.NotEqual(t, groups[0].Rules[0].Key, groups[0].Rules[1].Key)
}

func TestMetrics(t *testing.T) {
	names, complete := Metrics(`sum(rate(a[5m])) / on() b offset 5m`)
	require.Equal(t, []string{"a", "b"}, names)
	require.True(t, complete)
	_, complete = Metrics(`{job="x"}`)
	require.False(t, complete)
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		groups, problems := Parse("fuzz.yaml", src, testOptions)
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 {
				t.Fatalf("problem without a place: %v", p)
			}
		}
		for _, g := range groups {
			for _, r := range g.Rules {
				if len(r.Exprs) == 0 {
					t.Fatalf("rule %q without expression", r.Name)
				}
			}
		}
	})
}
