package load

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Traces makes call trees over the generator's services.
type Traces struct {
	rng *rand.Rand
}

// podsPerService bounds the resources: a platform has far fewer pods than traces.
const podsPerService = 20

// NewTraces starts a generator.
func NewTraces(seed uint64) *Traces { return &Traces{rng: rand.New(rand.NewPCG(seed, 3))} }

// Next makes one trace of n spans that begins at t, and its id.
func (g *Traces) Next(t time.Time, n int) (ptrace.Traces, pcommon.TraceID) {
	var id pcommon.TraceID
	binary.BigEndian.PutUint64(id[:8], g.rng.Uint64())
	binary.BigEndian.PutUint64(id[8:], g.rng.Uint64()|1)
	traces := ptrace.NewTraces()
	byService := map[string]ptrace.SpanSlice{}
	parents := make([]pcommon.SpanID, 0, n)
	for i := range n {
		service := Services[i%len(Services)]
		spans, ok := byService[service]
		if !ok {
			rs := traces.ResourceSpans().AppendEmpty()
			attrs := rs.Resource().Attributes()
			attrs.PutStr("service.name", service)
			attrs.PutStr("service.namespace", "shop")
			attrs.PutStr("k8s.pod.name", fmt.Sprintf("%s-7c9d4f-%05x", service, 0xb0de5+g.rng.IntN(podsPerService)))
			attrs.PutStr("k8s.cluster.name", "bench")
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName("load")
			spans = ss.Spans()
			byService[service] = spans
		}
		s := spans.AppendEmpty()
		s.SetTraceID(id)
		var sid pcommon.SpanID
		binary.BigEndian.PutUint64(sid[:], g.rng.Uint64()|1)
		s.SetSpanID(sid)
		if i > 0 {
			s.SetParentSpanID(parents[g.rng.IntN(len(parents))])
		}
		parents = append(parents, sid)
		start := t.Add(time.Duration(i) * 200 * time.Microsecond)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(g.rng.ExpFloat64() * float64(20*time.Millisecond)))))
		s.SetName(pick(g.rng, verbs) + " /api/v1/" + pick(g.rng, resources))
		s.SetKind(ptrace.SpanKind(1 + g.rng.IntN(3)))
		attrs := s.Attributes()
		attrs.PutStr("http.request.method", pick(g.rng, verbs))
		attrs.PutInt("http.response.status_code", int64([]int{200, 200, 200, 404, 500}[g.rng.IntN(5)]))
		attrs.PutStr("url.path", fmt.Sprintf("/api/v1/%s/%d", pick(g.rng, resources), g.rng.IntN(100000)))
		attrs.PutStr("server.address", fmt.Sprintf("10.0.%d.%d", g.rng.IntN(4), g.rng.IntN(256)))
		if g.rng.IntN(20) == 0 {
			s.Status().SetCode(ptrace.StatusCodeError)
			s.Status().SetMessage("upstream timed out")
		}
	}
	return traces, id
}
