package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// testConfig listens on free ports of this machine, with short times.
func testConfig() Config {
	c := DefaultConfig()
	c.HTTP.Listen, c.OTLPGRPC.Listen, c.OTLPHTTP.Listen = "127.0.0.1:0", "", ""
	c.ReadHeaderTimeout, c.StallTimeout, c.DrainTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	return c
}

// running is a server that a test started.
type running struct {
	*Server
	base string // http://host:port
	stop func() error
}

func run(t *testing.T, c Config, routes func(*Mux), services ...GRPCService) *running {
	t.Helper()
	gate, err := NewGate(c.Access, nil, quiet(), nil)
	require.NoError(t, err)
	m := NewMux(MuxOptions{Gate: gate, Logger: quiet(), MaxBody: c.MaxBodyBytes})
	if routes != nil {
		routes(m)
	}
	s, err := New(c, Options{HTTP: m, GRPC: services, Gate: gate, Logger: quiet(), Registerer: prometheus.NewRegistry(), Memory: NewBodyMemory(1<<20, nil)})
	require.NoError(t, err)
	require.NoError(t, s.Listen(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r := &running{Server: s, base: "http://" + s.Addr("http")}
	r.stop = func() error {
		cancel()
		err, ok := <-done
		if ok {
			close(done)
		}
		return err
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = r.stop()
	})
	return r
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	res, err := c.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

func who(w http.ResponseWriter, r *http.Request) error {
	id := Caller(r.Context())
	_, err := fmt.Fprintf(w, "%s %s %s", id.Name, id.Role, r.Proto)
	return err
}

func TestRun(t *testing.T) {
	s := run(t, testConfig(), func(m *Mux) { m.HandleFunc("GET /who", Read, who) })
	status, body := get(t, http.DefaultClient, s.base+"/who")
	require.Equal(t, 200, status)
	require.Equal(t, "local admin HTTP/1.1", body)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, s.stop())
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := testConfig()
	c.OTLPHTTP.Listen = l.Addr().String()
	gate := loopbackGate()
	s, err := New(c, Options{HTTP: http.NotFoundHandler(), Gate: gate, Logger: quiet()})
	require.NoError(t, err)
	err = s.Run(t.Context())
	require.ErrorContains(t, err, "server.otlp_http.listen: address "+l.Addr().String()+" is in use")
	require.Empty(t, s.Addr("http"), "the others are closed again")
}

func TestExposure(t *testing.T) {
	for _, c := range []struct {
		name   string
		listen string
		change func(*AccessConfig)
		store  TokenStore
		says   string
	}{
		{"nobody", "0.0.0.0:0", nil, nil, "server.http.listen is 0.0.0.0:0"},
		{"nobody, all addresses", ":0", nil, &memoryTokens{}, "watchfire token create"},
		{"nobody, a name", "example.invalid:0", nil, nil, "server.access.users"},
		{"store is away", ":0", nil, &memoryTokens{err: errors.New("away")}, "away"},
		{"a token", "0.0.0.0:0", nil, &memoryTokens{tokens: map[string]Token{"x": {}}}, ""},
		{"anonymous", "0.0.0.0:0", func(a *AccessConfig) { a.AnonymousRole = RoleRead }, nil, ""},
		{"loopback", "[::1]:0", nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := testConfig()
			config.HTTP.Listen = c.listen
			if c.change != nil {
				c.change(&config.Access)
			}
			gate, err := NewGate(config.Access, c.store, quiet(), nil)
			require.NoError(t, err)
			err = config.checkExposure(t.Context(), gate)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	c := DefaultConfig()
	c.HTTP.Listen, c.OTLPGRPC.Listen, c.OTLPHTTP.Listen = "8930", "127.0.0.1:4317", "127.0.0.1:4317"
	c.OTLPHTTP.TLS.CertFile = "x"
	c.MaxBodyBytes, c.StallTimeout, c.MaxInflightBytes = 1, 0, 1<<20
	c.Access.AnonymousRole = "guest"
	err := c.Validate()
	for _, s := range []string{`server.http.listen: "8930" is no address`, "is server.otlp_grpc.listen too", "server.otlp_http.tls: set both", "server.max_body_bytes is 1", "server.stall_timeout is 0s", "server.max_inflight_bytes is 1048576, less", `server.access: anonymous_role`} {
		require.ErrorContains(t, err, s)
	}
}

func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	c := testConfig()
	c.HTTP.TLS = ca.files(true)
	c.Access.TrustLoopback = false
	c.Access.Certificates = []CertConfig{{Subject: "ann", Role: RoleRead}}
	s := run(t, c, func(m *Mux) { m.HandleFunc("GET /who", Read, who) })
	base := "https://" + s.Addr("http")
	client := func(name string) *http.Client {
		tr := &http.Transport{TLSClientConfig: ca.client(name), ForceAttemptHTTP2: true}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	status, body := get(t, client("ann"), base+"/who")
	require.Equal(t, 200, status)
	require.Equal(t, "ann read HTTP/2.0", body)
	status, body = get(t, client("bob"), base+"/who")
	require.Equal(t, 401, status, body)
	_, err := client("").Get(base + "/who")
	require.Error(t, err, "without a certificate there is no connection")

	ca.issue("server", "server-2")
	require.NoError(t, s.Reload())
	fresh := client("ann")
	_, _ = get(t, fresh, base+"/who")
	require.Equal(t, "server-2", s.ends[0].certs.current.Load().Certificates[0].Leaf.Subject.CommonName)
}

func TestSlowClients(t *testing.T) {
	c := testConfig()
	c.MinBytesPerSecond = 50
	s := run(t, c, func(m *Mux) {
		m.HandleFunc("POST /push", Ingest, func(w http.ResponseWriter, r *http.Request) error {
			b, err := Body(r, 0)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(w, len(b))
			return err
		}, Errors(PlainErrors))
		m.HandleFunc("POST /ignore", Ingest, func(http.ResponseWriter, *http.Request) error { return nil })
		m.HandleFunc("GET /long", Read, func(w http.ResponseWriter, r *http.Request) error {
			for range 4 { // a tail: pauses longer than the stall between its lines
				_, _ = io.WriteString(w, "line\n")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(400 * time.Millisecond)
			}
			return nil
		}, LongLived())
		m.HandleFunc("POST /think", Ingest, func(w http.ResponseWriter, r *http.Request) error {
			if _, err := Body(r, 0); err != nil {
				return err
			}
			select {
			case <-r.Context().Done():
				return r.Context().Err()
			case <-time.After(700 * time.Millisecond):
				_, err := io.WriteString(w, "done")
				return err
			}
		})
		m.HandleFunc("GET /flood", Read, func(w http.ResponseWriter, r *http.Request) error {
			for range 4096 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return nil
				}
			}
			return nil
		}, LongLived())
	})
	addr := s.Addr("http")
	dial := func(t *testing.T) net.Conn {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(testWait)))
		return c
	}
	// drip writes text one byte at a time until the server closes.
	drip := func(c net.Conn, text string, pause time.Duration) {
		for i := range len(text) {
			if _, err := c.Write([]byte{text[i]}); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
	head := func(path string, n int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", path, n)
	}
	gone := func(t *testing.T, c net.Conn, within time.Duration) string {
		begin := time.Now()
		b, _ := io.ReadAll(c)
		require.Less(t, time.Since(begin), within)
		return string(b)
	}

	t.Run("header in drops", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		go drip(c, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 40), 50*time.Millisecond)
		gone(t, c, 2*time.Second)
	})
	t.Run("body stops", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		_, _ = io.WriteString(c, head("/push", 100)+"half")
		answer := gone(t, c, 2*time.Second)
		require.Contains(t, answer, "503")
		require.Contains(t, answer, "too slowly")
	})
	t.Run("body in drops", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		_, _ = io.WriteString(c, head("/push", 1000))
		go drip(c, strings.Repeat("x", 100), 100*time.Millisecond) // never a pause, but 10 bytes a second
		gone(t, c, 2*time.Second)
	})
	t.Run("body that nobody reads", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		_, _ = io.WriteString(c, head("/ignore", 1000)+"half")
		gone(t, c, 2*time.Second)
	})
	t.Run("slow body that goes on", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		_, _ = io.WriteString(c, head("/push", 400))
		go func() {
			for range 20 { // 200 bytes a second for two seconds
				_, _ = c.Write(bytes.Repeat([]byte("x"), 20))
				time.Sleep(100 * time.Millisecond)
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		b, _ := io.ReadAll(res.Body)
		require.Equal(t, "400", string(b))
	})
	t.Run("long thinking after a body", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		r := bufio.NewReader(c)
		for range 2 { // and the connection is good for another
			_, _ = io.WriteString(c, head("/think", 4)+"body")
			res, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			b, _ := io.ReadAll(res.Body)
			require.Equal(t, "done", string(b))
		}
	})
	t.Run("long tail", func(t *testing.T) {
		t.Parallel()
		_, body := get(t, http.DefaultClient, "http://"+addr+"/long")
		require.Equal(t, strings.Repeat("line\n", 4), body)
	})
	t.Run("answer that nobody takes", func(t *testing.T) {
		t.Parallel()
		c := dial(t)
		_, _ = io.WriteString(c, "GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(time.Second)
		n, _ := io.Copy(io.Discard, c)
		require.Less(t, n, int64(200<<20), "the server gave up")
	})
}

func TestConnectionLimit(t *testing.T) {
	c := testConfig()
	c.MaxConnections = 2
	s := run(t, c, func(m *Mux) { m.HandleFunc("GET /who", Read, who) })
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", s.Addr("http"))
		require.NoError(t, err)
		held = append(held, c)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(t, func() bool {
		_, err := client.Get(s.base + "/who")
		return err != nil
	}, testWait, testTick)
	for _, c := range held {
		c.Close()
	}
	require.Eventually(t, func() bool {
		res, err := client.Get(s.base + "/who")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	}, testWait, testTick)
}

func TestDrain(t *testing.T) {
	c := testConfig()
	c.DrainTimeout = 2 * time.Second
	entered := make(chan struct{}, 3)
	s := run(t, c, func(m *Mux) {
		m.HandleFunc("POST /push", Ingest, func(w http.ResponseWriter, r *http.Request) error {
			entered <- struct{}{}
			time.Sleep(300 * time.Millisecond)
			_, err := io.WriteString(w, "stored")
			return err
		})
		m.HandleFunc("GET /stream", Read, func(w http.ResponseWriter, r *http.Request) error {
			_, _ = io.WriteString(w, "begin ")
			_ = http.NewResponseController(w).Flush()
			entered <- struct{}{}
			<-r.Context().Done()
			_, err := fmt.Fprint(w, context.Cause(r.Context()))
			return err
		}, LongLived())
		m.Handle("GET /tail", Read, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			entered <- struct{}{}
			<-r.Context().Done()
			_ = c.WriteMessage(websocket.TextMessage, []byte("bye"))
		}), LongLived())
	})
	ws, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.base, "http")+"/tail", nil)
	require.NoError(t, err)
	defer ws.Close()
	defer res.Body.Close()
	answers := make(chan string, 2)
	ask := func(method, path string) {
		r, _ := http.NewRequest(method, s.base+path, strings.NewReader(""))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answers <- string(b)
	}
	go ask("POST", "/push")
	go ask("GET", "/stream")
	for range 3 {
		<-entered
	}
	begin := time.Now()
	require.NoError(t, s.stop())
	require.Less(t, time.Since(begin), 1500*time.Millisecond)
	require.ElementsMatch(t, []string{"stored", "begin server is shutting down"}, []string{<-answers, <-answers})
	_, b, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "bye", string(b))
	_, err = http.Get(s.base)
	require.Error(t, err)
}

func TestDrainDeadline(t *testing.T) {
	entered := make(chan struct{})
	s := run(t, testConfig(), func(m *Mux) {
		m.HandleFunc("POST /push", Ingest, func(w http.ResponseWriter, r *http.Request) error {
			close(entered)
			<-r.Context().Done()
			return r.Context().Err()
		}, Errors(PlainErrors))
	})
	answer := make(chan string)
	go func() {
		res, err := http.Post(s.base+"/push", "", nil)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		answer <- res.Status + " " + res.Header.Get("Retry-After")
	}()
	<-entered
	require.ErrorIs(t, s.stop(), ErrDraining)
	require.Equal(t, "503 Service Unavailable 1", <-answer)
}

// calls is how many gRPC calls are being served.
func (r *running) calls() int {
	return int(testutil.ToFloat64(newGRPCMetrics(r.options.Registerer).inFlight))
}
