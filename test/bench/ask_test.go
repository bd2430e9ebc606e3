package main

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	body := func(v string) answer {
		return answer{body: []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"b":"2","a":"1"},"values":[[1700000000.5,"` + v + `"]]}]}}`)}
	}
	for _, c := range []struct{ a, b, want string }{
		{"1", "1", "same, 1 series"},
		{"NaN", "NaN", "same, 1 series"},
		{"0.1", "0.10000000000000002", "same, 1 series"},
		{"0.1", "0.11", "DIFFER"},
		{"+Inf", "1", "DIFFER"},
	} {
		if got, _ := compare(body(c.a), body(c.b)); !strings.HasPrefix(got, c.want) {
			t.Errorf("compare(%s, %s) is %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	a := answer{body: []byte(`{"data":{"result":[{"stream":{},"values":[["1","x"],["2","y"]]},{"values":[["3","z"]]}]}}`)}
	if n, err := a.lines(); err != nil || n != 3 {
		t.Errorf("lines: %d, %v, want 3", n, err)
	}
	a = answer{body: []byte(`{"data":{"result":[{"metric":{},"value":[1,"42"]}]}}`)}
	if v, err := a.scalar(); err != nil || v != 42 {
		t.Errorf("scalar: %v, %v, want 42", v, err)
	}
	if _, err := (answer{body: []byte(`{"data":{"result":[]}}`)}).scalar(); err == nil {
		t.Error("scalar of an empty answer gave no error")
	}
}
