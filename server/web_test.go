package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestHeadersAndCORS(t *testing.T) {
	gate, err := NewGate(AccessConfig{AnonymousRole: RoleRead, Origins: []string{"https://ui.example"}}, nil, quiet(), nil)
	require.NoError(t, err)
	m := NewMux(MuxOptions{Gate: gate, Logger: quiet()})
	m.HandleFunc("GET /a", Read, func(w http.ResponseWriter, _ *http.Request) error { return WriteData(w, 1) })
	do := func(method, origin string, extra ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/a", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		for i := 0; i < len(extra); i += 2 {
			r.Header.Set(extra[i], extra[i+1])
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w
	}
	w := do("GET", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))

	require.Empty(t, do("GET", "https://evil.example").Header().Get("Access-Control-Allow-Origin"))
	w = do("GET", "https://ui.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "https://ui.example", w.Header().Get("Access-Control-Allow-Origin"))
	w = do("OPTIONS", "https://ui.example", "Access-Control-Request-Method", "GET")
	require.Equal(t, 204, w.Code)
	require.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), "X-Scope-OrgID")
	require.Equal(t, 405, do("OPTIONS", "https://evil.example", "Access-Control-Request-Method", "GET").Code)

	require.Equal(t, "my-id", do("GET", "", RequestIDHeader, "my-id").Header().Get(RequestIDHeader))
	require.Len(t, do("GET", "", RequestIDHeader, "evil\tid").Header().Get(RequestIDHeader), 16)
}

func TestGzip(t *testing.T) {
	m := NewMux(MuxOptions{})
	long := strings.Repeat("watchfire ", 1000)
	m.HandleFunc("GET /long", Read, func(w http.ResponseWriter, _ *http.Request) error { return WriteData(w, long) })
	m.HandleFunc("GET /short", Read, func(w http.ResponseWriter, _ *http.Request) error { return WriteData(w, 1) })
	m.HandleFunc("GET /fails", Read, func(http.ResponseWriter, *http.Request) error { return Invalid("%s", long) })
	m.HandleFunc("GET /binary", Read, func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, err := io.WriteString(w, long)
		return err
	})
	s := httptest.NewServer(m)
	defer s.Close()
	get := func(path string) (*http.Response, []byte) {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, b
	}
	for path, packed := range map[string]bool{"/long": true, "/short": false, "/fails": true, "/binary": false} {
		res, b := get(path)
		require.Equal(t, packed, res.Header.Get("Content-Encoding") == "gzip", path)
		if packed {
			z, err := gzip.NewReader(bytes.NewReader(b))
			require.NoError(t, err)
			plain, err := io.ReadAll(z)
			require.NoError(t, err)
			require.Contains(t, string(plain), long)
		}
	}
}

func TestMuxObserves(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	var log bytes.Buffer
	m := NewMux(MuxOptions{Registerer: reg, Logger: slog.New(slog.NewTextHandler(&log, nil)), Slow: time.Millisecond})
	NewMux(MuxOptions{Registerer: reg}) // a second one shares the metrics
	m.HandleFunc("POST /x/{id}", Public, func(w http.ResponseWriter, r *http.Request) error {
		_, err := Body(r, 0)
		time.Sleep(2 * time.Millisecond)
		if r.PathValue("id") == "panic" {
			panic("boom")
		}
		return err
	})
	for _, path := range []string{"/x/1", "/x/2", "/x/panic", "/y/1", "/y/2"} {
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader("12345")))
	}
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP watchfire_server_requests_total HTTP requests by route and status code.
# TYPE watchfire_server_requests_total counter
watchfire_server_requests_total{code="200",route="POST /x/{id}"} 2
watchfire_server_requests_total{code="404",route="unknown"} 2
watchfire_server_requests_total{code="500",route="POST /x/{id}"} 1
# HELP watchfire_server_panics_total Requests that panicked: each is a bug.
# TYPE watchfire_server_panics_total counter
watchfire_server_panics_total 1
# HELP watchfire_server_received_bytes_total Bytes of request bodies as sent, compressed or not.
# TYPE watchfire_server_received_bytes_total counter
watchfire_server_received_bytes_total{route="POST /x/{id}"} 15
watchfire_server_received_bytes_total{route="unknown"} 0
# HELP watchfire_server_requests_in_flight HTTP requests being served.
# TYPE watchfire_server_requests_in_flight gauge
watchfire_server_requests_in_flight 0
`), "watchfire_server_requests_total", "watchfire_server_panics_total", "watchfire_server_received_bytes_total", "watchfire_server_requests_in_flight"))
	require.Contains(t, log.String(), "slow request")
	require.Contains(t, log.String(), "web_test.go", "the stack of the panic")
}

func TestWebsocket(t *testing.T) {
	m := NewMux(MuxOptions{Logger: quiet()})
	m.Handle("GET /tail", Read, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.WriteMessage(websocket.TextMessage, []byte(Tenant(r.Context())))
	}), LongLived())
	s := httptest.NewServer(progress{stall: time.Second}.wrap(m))
	defer s.Close()
	dial := func(origin string) (*websocket.Conn, *http.Response, error) {
		return websocket.DefaultDialer.DialContext(context.Background(), "ws"+strings.TrimPrefix(s.URL, "http")+"/tail", http.Header{"Origin": {origin}, TenantHeader: {"team-a"}})
	}
	c, res, err := dial(s.URL)
	require.NoError(t, err)
	defer c.Close()
	defer res.Body.Close()
	_, b, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "team-a", string(b))

	_, res, err = dial("https://evil.example")
	require.Error(t, err)
	require.Equal(t, 403, res.StatusCode)
	res.Body.Close()
}
