package storage_test

import (
	"errors"
	"net"
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

// withHost puts a host before the others of a DSN.
func withHost(dsn, host string) string {
	at := strings.LastIndex(dsn, "@")
	return dsn[:at+1] + host + "," + dsn[at+1:]
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:secret@h/d":             "want http://, https:// or clickhouse://",
		"http://u:secret@127.0.0.1:1/d":       "cannot reach ClickHouse at [\"127.0.0.1:1\"]",
		"clickhouse://u:secret@127.0.0.1:1/d": "cannot reach ClickHouse at [\"127.0.0.1:1\"]",
		"http://u:secret@127.0.0.1:1/%zz":     "want http://",
		"http://u:secret@h/d":                 "host \"h\" has no port",
		"":                                    "want http://",
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
