package remotewrite

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/server"
)

func serve(t *testing.T, sink *collectortest.Sink) string {
	t.Helper()
	mux := server.NewMux(server.MuxOptions{})
	New(sink, collector.DefaultLimits(), nil, collector.NewMetrics(nil)).Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func post(t *testing.T, url string, body []byte, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, strings.TrimSpace(string(text))
}

const v2Type = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

func TestWrite(t *testing.T) {
	v1, _ := requestV1().Marshal()
	v2, _ := requestV2().OptimizedMarshal(nil)
	for _, tc := range []struct {
		path, contentType, encoding string
		body                        []byte
		written                     []string
	}{
		{"/api/v1/write", "application/x-protobuf", "snappy", v1, []string{"", "", ""}},
		{"/prometheus/api/v1/write", "", "", v1, []string{"", "", ""}},
		{"/api/v1/push", "application/x-protobuf;proto=prometheus.WriteRequest", "snappy", v1, []string{"", "", ""}},
		{"/api/v1/write", v2Type, "snappy", v2, []string{"3", "2", "1"}},
	} {
		sink := &collectortest.Sink{}
		resp, text := post(t, serve(t, sink)+tc.path, snappy.Encode(nil, tc.body),
			"Content-Type", tc.contentType, "Content-Encoding", tc.encoding, "X-Scope-OrgID", "blue")
		if resp.StatusCode != http.StatusNoContent || text != "" {
			t.Errorf("%s %s: %d %q", tc.path, tc.contentType, resp.StatusCode, text)
		}
		if got := headers(resp); !slices.Equal(got, tc.written) {
			t.Errorf("%s %s: written %q, want %q", tc.path, tc.contentType, got, tc.written)
		}
		if got := sink.Tenants(); !slices.Equal(got, []string{"blue"}) {
			t.Errorf("tenants %q", got)
		}
		if len(sink.Metrics().Series) < 3 {
			t.Errorf("stored %+v", sink.Metrics())
		}
	}
}

func headers(r *http.Response) []string {
	return []string{r.Header.Get(samplesHeader), r.Header.Get(histogramsHeader), r.Header.Get(exemplarsHeader)}
}

func TestWriteRefusesSome(t *testing.T) {
	req := requestV2()
	req.Timeseries[1].LabelsRefs[0] = 1000
	v2, _ := req.OptimizedMarshal(nil)
	sink := &collectortest.Sink{Reject: 1}
	resp, text := post(t, serve(t, sink)+"/api/v1/write", snappy.Encode(nil, v2), "Content-Type", v2Type, "Content-Encoding", "snappy")
	want := "1 rejected (invalid_labels): label reference 1000 is outside of the 13 symbols; 1 rejected (out_of_bounds): refused by the test"
	if resp.StatusCode != http.StatusBadRequest || text != want {
		t.Errorf("%d %s, want 400 %s", resp.StatusCode, text, want)
	}
	if got := headers(resp); !slices.Equal(got, []string{"1", "2", "1"}) {
		t.Errorf("written %q", got)
	}
	if n := len(sink.Metrics().Series); n != 3 {
		t.Errorf("%d series stored, want 3", n)
	}
}

func TestWriteErrors(t *testing.T) {
	v1, _ := requestV1().Marshal()
	ok := snappy.Encode(nil, v1)
	bomb := snappy.Encode(nil, make([]byte, 80<<20))
	for _, tc := range []struct {
		name        string
		body        []byte
		contentType string
		encoding    string
		err         error
		status      int
		text        string
		retryAfter  string
	}{
		{"content type", ok, "text/plain", "snappy", nil, 415, "text/plain", ""},
		{"message", ok, "application/x-protobuf;proto=x.Y", "snappy", nil, 415, `message "x.Y" is not supported`, ""},
		{"encoding", ok, "", "br", nil, 415, `"br" is not supported by remote write: use snappy`, ""},
		{"not snappy", []byte("hello"), "", "snappy", nil, 400, "snappy", ""},
		{"truncated", snappy.Encode(nil, v1[:len(v1)-3]), "", "snappy", nil, 400, "cannot parse WriteRequest", ""},
		{"wrong wire type", snappy.Encode(nil, []byte{0x08, 1}), "", "snappy", nil, 400, "field timeseries (1) has wire type 0, want 2", ""},
		{"2.0 as 1.0", snappy.Encode(nil, mustV2()), "", "snappy", nil, 204, "", ""},
		{"bomb", bomb, "", "snappy", nil, 413, "limit", ""},
		{"unavailable", ok, "", "snappy", errors.New("disk is full"), 503, "disk is full", "5"},
		{"too many", ok, "", "snappy", server.TooMany(2*time.Second, "limit series 5"), 429, "limit series 5", "2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, text := post(t, serve(t, &collectortest.Sink{Err: tc.err})+"/api/v1/write", tc.body, "Content-Type", tc.contentType, "Content-Encoding", tc.encoding)
			if resp.StatusCode != tc.status || !strings.Contains(text, tc.text) || resp.Header.Get("Retry-After") != tc.retryAfter {
				t.Errorf("%d %s, Retry-After %q", resp.StatusCode, text, resp.Header.Get("Retry-After"))
			}
		})
	}
}

func mustV2() []byte {
	b, _ := requestV2().OptimizedMarshal(nil)
	return b
}

func benchRequest() []byte {
	req := prompb.WriteRequest{}
	for i := range 2000 {
		req.Timeseries = append(req.Timeseries, series("__name__", "http_request_duration_seconds_bucket", "cluster", "east-1",
			"instance", "10.0.0.1:9100", "job", "node", "le", "0.5", "namespace", "shop", "pod", "cart-"+strings.Repeat("x", i%7)+"-abcdef"))
	}
	body, _ := req.Marshal()
	return body
}

// BenchmarkReferenceV1 is the generated decoder, for comparison.
func BenchmarkReferenceV1(b *testing.B) {
	body, builder := benchRequest(), labels.NewScratchBuilder(0)
	b.ReportAllocs()
	for b.Loop() {
		var req prompb.WriteRequest
		if err := req.Unmarshal(body); err != nil {
			b.Fatal(err)
		}
		for _, ts := range req.Timeseries {
			ls := ts.ToLabels(&builder, nil)
			if !ls.IsValid(model.UTF8Validation) {
				b.Fatal(ls)
			}
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

func BenchmarkDecodeV1(b *testing.B) {
	body := benchRequest()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		batch := newBatch(collector.DefaultLimits())
		if err := batch.decodeV1(body); err != nil {
			b.Fatal(err)
		}
		batch.release()
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}
