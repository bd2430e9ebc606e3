package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

type sampleConfig struct {
	Data    string        `yaml:"data"`
	Storage sampleStorage `yaml:"storage"`
}

type sampleStorage struct {
	DSN     string            `yaml:"dsn"`
	Timeout time.Duration     `yaml:"timeout"`
	Tenants map[string]sample `yaml:"tenants"`
	List    []sample          `yaml:"list"`
}

type sample struct {
	Days int            `yaml:"days"`
	Keep model.Duration `yaml:"keep"`
}

func TestParseStrict(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"empty":          {"", ""},
		"good":           {"data: d\nstorage: {dsn: x, timeout: 5s, tenants: {a: {days: 3}}}\n", ""},
		"unknown":        {"dat: d\n", `f.yml:1:1: unknown key "dat" (did you mean "data"?)`},
		"unknown, far":   {"quux: d\n", `f.yml:1:1: unknown key "quux" (known: data, storage)`},
		"nested":         {"storage:\n  dns: x\n", `f.yml:2:3: unknown key "dns" in storage (did you mean "dsn"?)`},
		"in map":         {"storage:\n  tenants:\n    a: {day: 3}\n", `f.yml:3:9: unknown key "day" in storage.tenants.a (did you mean "days"?)`},
		"in list":        {"storage:\n  list:\n  - days: 1\n  - hours: 1\n", `f.yml:4:5: unknown key "hours" in storage.list[1] (known: days, keep)`},
		"wrong type":     {"storage:\n  timeout: soon\n", "f.yml:2: cannot unmarshal !!str `soon` into time.Duration"},
		"all at once":    {"x: 1\nstorage:\n  timeout: soon\n", "f.yml:1:1: unknown key \"x\" (known: data, storage)\nf.yml:2: "},
		"own decoder":    {"x: 1\nstorage:\n  list:\n  - keep: soon\n", "f.yml:4:11: storage.list[0].keep: not a valid duration string: \"soon\""},
		"not YAML":       {"a: [", "f.yml: yaml: line 1"},
		"a list instead": {"- a\n", "f.yml:1: cannot unmarshal !!seq into main.sampleConfig"},
	} {
		t.Run(name, func(t *testing.T) {
			var c sampleConfig
			_, err := parseStrict("f.yml", []byte(tc.in), &c)
			switch {
			case tc.want == "" && err != nil:
				t.Fatalf("unexpected error: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), firstLine(tc.want))):
				t.Fatalf("got error %v, want %s", err, tc.want)
			}
		})
	}
}

func firstLine(s string) string { return strings.SplitN(s, "\n", 2)[0] }

func TestLocate(t *testing.T) {
	var c sampleConfig
	s, err := parseStrict("f.yml", []byte("data: d\nstorage:\n  timeout: 5s\n"), &c)
	if err != nil {
		t.Fatal(err)
	}
	got := s.locate(errors.Join(
		fmt.Errorf("storage.timeout: must be below 1s, is 5s"),
		fmt.Errorf("storage.dsn: is empty"),
		fmt.Errorf("other: is empty"),
	))
	want := "f.yml:3:3: storage.timeout: must be below 1s, is 5s\nf.yml:2:1: storage.dsn: is empty\nother: is empty"
	if got.Error() != want {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestApplyEnv(t *testing.T) {
	env := map[string]string{
		"WATCHFIRE_DATA":            "elsewhere",
		"WATCHFIRE_STORAGE_TIMEOUT": "7s",
		"WATCHFIRE_STORAGE_TENANTS": "{a: {days: 3}}",
	}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	var c sampleConfig
	if err := applyEnv(&c, lookup); err != nil {
		t.Fatal(err)
	}
	if c.Data != "elsewhere" || c.Storage.Timeout != 7*time.Second || c.Storage.Tenants["a"].Days != 3 {
		t.Errorf("got %+v", c)
	}
	env["WATCHFIRE_STORAGE_TIMEOUT"] = "soon"
	err := applyEnv(&c, lookup)
	if err == nil || !strings.Contains(err.Error(), `WATCHFIRE_STORAGE_TIMEOUT="soon": cannot set option storage.timeout`) {
		t.Errorf("got %v", err)
	}
}
