package storage_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

func TestAnotherHostAnswersForADeadOne(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := dead.Addr().String()
	dead.Close()
	c, err := storage.Open(t.Context(), storage.Options{DSN: withHost(enginetest.DSN(t), addr)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rows, err := c.Query(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	if n := count(t, c, "nobody"); n != 0 {
		t.Errorf("got %d rows", n)
	}
}

func TestTLSThroughAProxy(t *testing.T) {
	dsn, err := url.Parse(enginetest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: dsn.Host})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	front := httptest.NewTLSServer(proxy)
	defer front.Close()
	dsn.Scheme, dsn.Host = "https", front.Listener.Addr().String()
	dsn.RawQuery = "compress=zstd"
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())

	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	if _, err := storage.Open(t.Context(), storage.Options{DSN: dsn.String()}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	c, err := storage.Open(t.Context(), storage.Options{DSN: dsn.String(), TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tenant := enginetest.Tenant(t)
	if err := c.Insert(t.Context(), block(t, tenant, tenant, 1000)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, c, tenant); n != 1000 {
		t.Errorf("got %d rows", n)
	}
	rows, err := c.Query(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	var e *storage.Error
	_, err = c.Select(t.Context(), discard("SELECT throwIf(number = 3000000, 'boom')::UInt64 FROM numbers(10000000) SETTINGS max_threads = 1"))
	if !errors.As(err, &e) || e.Code != 395 {
		t.Errorf("amid the result: got %v", err)
	}

	// A proxy without a server behind it is no server that says no.
	proxy.Director = func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "127.0.0.1:1" }
	if err := c.Ping(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("no server behind the proxy: %v", err)
	}
}

// withHost puts a host before the others of a DSN.
func withHost(dsn, host string) string {
	at := strings.LastIndex(dsn, "@")
	return dsn[:at+1] + host + "," + dsn[at+1:]
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:secret@h/d":              "want http://, https:// or clickhouse://",
		"http://u:secret@127.0.0.1:1/d":        "cannot reach ClickHouse at [\"127.0.0.1:1\"]",
		"clickhouse://u:secret@127.0.0.1:1/d":  "cannot reach ClickHouse at [\"127.0.0.1:1\"]",
		"http://u:secret@127.0.0.1:1/%zz":      "want http://",
		"http://u:secret@h/d":                  "host \"h\" has no port",
		"":                                     "want http://",
		"http://u:secret@h:1/d?dial_timeout=x": "invalid duration",
	} {
		_, err := storage.Open(t.Context(), storage.Options{DSN: dsn})
		if err == nil {
			t.Fatalf("%s: opened", dsn)
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", dsn, err)
		}
		if strings.Contains(want, "reach") && !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: %v is not ErrUnavailable", dsn, err)
		}
	}
}
