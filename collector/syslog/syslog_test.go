package syslog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/telemetry"
)

func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, config string, sink collector.LogSink) (stop func()) {
	t.Helper()
	var c Config
	if err := yaml.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	l, err := New(t.Context(), Options{Config: c, Sink: sink, Counts: collector.NewMetrics(nil), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		if cancel(); stopped.CompareAndSwap(false, true) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

const message5424 = `<165>1 2003-10-11T22:14:15.003Z mymachine su 123 ID47 [meta@1 seq="7"] an application event`

func TestListeners(t *testing.T) {
	cert, key := certificate(t)
	for _, scheme := range []string{"udp", "tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			network := scheme
			if scheme == "tls" {
				network = "tcp"
			}
			addr, sink := freePort(t, network), &collectortest.Sink{}
			start(t, fmt.Sprintf("{listen: '%s://%s', tenant: blue, labels: {site: x}, tls: {cert_file: %s, key_file: %s}}", scheme, addr, cert, key), sink)
			send(t, scheme, addr, sink, message5424+"\n")
			st := sink.Streams()[0]
			if want := labels.FromStrings("host_name", "mymachine", "service_name", "su", "site", "x", "source", "syslog"); !labels.Equal(st.Labels, want) {
				t.Errorf("labels %s", st.Labels)
			}
			r := st.Records[0]
			if r.Line != "an application event" || r.Time != time.Date(2003, 10, 11, 22, 14, 15, 3e6, time.UTC).UnixNano() || r.Severity < 9 || r.Severity > 12 {
				t.Errorf("%+v", r)
			}
			if got := fmt.Sprint(r.Metadata); !strings.Contains(got, "meta_1_seq") || !strings.Contains(got, "facility") || !strings.Contains(got, "proc_id") {
				t.Errorf("metadata %s", got)
			}
			if got := sink.Tenants()[0]; got != "blue" {
				t.Errorf("tenant %s", got)
			}
		})
	}
}

// send sends until a line has come.
func send(t *testing.T, scheme, addr string, sink *collectortest.Sink, text string) {
	t.Helper()
	for range 1000 {
		if c, err := dial(scheme, addr); err == nil {
			_, _ = c.Write([]byte(text))
			time.Sleep(30 * time.Millisecond)
			c.Close()
		}
		if len(sink.Lines()) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no line came")
}

func dial(scheme, addr string) (net.Conn, error) {
	if scheme == "tls" {
		return tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own certificate
	}
	return net.Dial(scheme, addr)
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, typ string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", kder)
}

func TestRFC3164AndWhatIsNone(t *testing.T) {
	addr, sink := freePort(t, "udp"), &collectortest.Sink{}
	start(t, fmt.Sprintf("{listen: 'udp://%s', format: rfc3164}", addr), sink)
	send(t, "udp", addr, sink, "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick")
	if st := sink.Streams()[0]; st.Labels.Get("service_name") != "su" || st.Records[0].Line != "'su root' failed for lonvick" || st.Records[0].Severity < 17 {
		t.Errorf("%+v", st)
	}
	addr, sink = freePort(t, "udp"), &collectortest.Sink{}
	start(t, fmt.Sprintf("{listen: 'udp://%s'}", addr), sink)
	send(t, "udp", addr, sink, "hello \xff")
	if st := sink.Streams()[0]; st.Labels.Get("service_name") != "unknown_service" || st.Records[0].Line != "hello \uFFFD" || st.Records[0].Time == 0 {
		t.Errorf("%+v", st)
	}
}

// A message that came while the sink was down is stored when it is up again,
// at the latest while the listener stops.
func TestMessagesWaitForTheSink(t *testing.T) {
	addr, sink := freePort(t, "tcp"), &flaky{}
	stop := start(t, fmt.Sprintf("{listen: 'tcp://%s'}", addr), sink)
	var c net.Conn
	for range 500 {
		var err error
		if c, err = net.Dial("tcp", addr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if c == nil {
		t.Fatal("nobody listens")
	}
	defer c.Close()
	fmt.Fprintln(c, message5424)
	for !sink.asked.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	sink.up.Store(true)
	stop()
	if n := len(sink.Lines()); n != 1 {
		t.Errorf("%d lines", n)
	}
}

type flaky struct {
	collectortest.Sink
	up, asked atomic.Bool
}

func (f *flaky) WriteLogs(ctx context.Context, tenant string, s []telemetry.LogStream) (telemetry.Outcome, error) {
	if f.asked.Store(true); !f.up.Load() {
		return telemetry.Outcome{}, errors.New("down")
	}
	return f.Sink.WriteLogs(ctx, tenant, s)
}

func TestFullQueueDropsDatagramsOnly(t *testing.T) {
	for listen, wantErr := range map[string]bool{"udp://x": false, "tcp://x": true} {
		l := &Listener{Options: Options{Config: Config{Listen: listen}, Counts: collector.NewMetrics(nil)}, queue: make(chan message, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		if err := l.enqueue(ctx, message{}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := l.enqueue(ctx, message{}); (err != nil) != wantErr {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		"{listen: 'http://x'}":                                 "use udp://host:port, tcp://host:port or tls://host:port",
		"{listen: 'udp://0.0.0.0:514'}":                        "listen: 0.0.0.0:514 can be reached by others",
		"{listen: 'udp://x'}":                                  `listen: "x" is no address`,
		"{listen: 'udp://127.0.0.1:1', format: x}":             `format: "x" is unknown: use rfc5424 or rfc3164`,
		"{listen: 'tls://127.0.0.1:1'}":                        "tls: cert_file and key_file are needed",
		"{listen: 'udp://127.0.0.1:1', octet_counting: true}":  "octet_counting: is for tcp:// and tls://",
		"{listen: 'udp://127.0.0.1:1', location: Middleearth}": "location: unknown time zone",
		"{listen: 'udp://127.0.0.1:1', queue: -1}":             "queue: -1 is negative",
	} {
		var c Config
		if err := yaml.Unmarshal([]byte(config), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	ok := Config{Listen: "udp://:514", AllowAnonymous: true}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}
