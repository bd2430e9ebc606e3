package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMux(t *testing.T) {
	m := NewMux(MuxOptions{Logger: quiet()})
	m.HandleFunc("GET /tenant", Read, func(w http.ResponseWriter, r *http.Request) error {
		return WriteData(w, Tenant(r.Context()))
	})
	m.HandleFunc("POST /push", Ingest, func(w http.ResponseWriter, r *http.Request) error {
		return Invalid("cannot read line %d", 7)
	}, Errors(PlainErrors))
	m.HandleFunc("GET /panic", Read, func(http.ResponseWriter, *http.Request) error { panic("boom") })
	m.HandleFunc("GET /half", Read, func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
		return Invalid("too late")
	})
	m.HandleFunc("GET /half-panic", Read, func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
		panic("boom")
	})
	s := httptest.NewServer(m)
	defer s.Close()

	for _, c := range []struct {
		name, method, path, tenant string
		status                     int
		body                       string
	}{
		{"default tenant", "GET", "/tenant", "", 200, `{"status":"success","data":"default"}`},
		{"named tenant", "GET", "/tenant", "team-a", 200, `{"status":"success","data":"team-a"}`},
		{"federation", "GET", "/tenant", "a|b", 400, `names several tenants`},
		{"not found", "GET", "/nowhere", "", 404, `{"status":"error","errorType":"not_found","error":"no such path /nowhere"}`},
		{"method", "DELETE", "/tenant", "", 405, `"errorType":"method_not_allowed"`},
		{"plain error", "POST", "/push", "", 400, "cannot read line 7"},
		{"panic", "GET", "/panic", "", 500, `"errorType":"internal"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, nil)
			if c.tenant != "" {
				req.Header.Set(TenantHeader, c.tenant)
			}
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, res.StatusCode, string(b))
			require.Contains(t, string(b), c.body)
			require.NotEmpty(t, res.Header.Get(RequestIDHeader))
			if c.status == 405 {
				require.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
			}
			if strings.HasPrefix(c.body, "{") {
				require.True(t, json.Valid(b))
			}
		})
	}
	t.Run("half an answer is cut", func(t *testing.T) {
		for _, path := range []string{"/half", "/half-panic"} {
			res, err := http.Get(s.URL + path)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			require.Error(t, err, path)
		}
	})
	t.Run("another machine", func(t *testing.T) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "/tenant", nil))
		require.Equal(t, 401, w.Code)
		require.NotEmpty(t, w.Header().Get("WWW-Authenticate"))
	})
}

func BenchmarkMux(b *testing.B) {
	secret, token, err := NewToken("agent", "team-a", RoleIngest, 0, time.Now())
	require.NoError(b, err)
	store := &memoryTokens{}
	store.put(token)
	gate, err := NewGate(DefaultAccessConfig(), store, quiet(), nil)
	require.NoError(b, err)
	m := NewMux(MuxOptions{Gate: gate, Logger: quiet(), Slow: time.Minute})
	m.HandleFunc("POST /api/v1/push", Ingest, func(http.ResponseWriter, *http.Request) error { return nil })
	r := httptest.NewRequest("POST", "/api/v1/push", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if m.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
