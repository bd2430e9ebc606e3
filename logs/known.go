package logs

import (
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// stream is what the Writer remembers of a stream. Only the fields at the end
// change, under the lock of its tenant.
type stream struct {
	id                                       telemetry.SeriesID
	application, service, cluster, namespace string
	level                                    string // by its labels

	lastSeen int64 // Unix seconds
	days     [4]day
	dayCount uint8
}

// activeFor is how long a stream counts against the limit after its last line.
const activeFor = int64(time.Hour / time.Second)

// hasDay tells that the stream is registered for d.
func (s *stream) hasDay(d day) bool {
	for _, x := range s.days[:s.dayCount] {
		if x == d {
			return true
		}
	}
	return false
}

// addDay remembers that the stream is registered for d, and forgets an older
// day when there are too many: it is registered again then, which merges away.
func (s *stream) addDay(d day) {
	if s.hasDay(d) {
		return
	}
	if int(s.dayCount) < len(s.days) {
		s.days[s.dayCount] = d
		s.dayCount++
		return
	}
	oldest := 0
	for i, x := range s.days {
		if x < s.days[oldest] {
			oldest = i
		}
	}
	s.days[oldest] = d
}

// knownStreams are the streams that had lines lately, by tenant.
type knownStreams struct {
	identity telemetry.IdentityTable

	mu      sync.Mutex
	tenants map[string]*tenantStreams
}

type tenantStreams struct {
	mu      sync.Mutex
	streams map[telemetry.SeriesID]*stream
	swept   int64 // Unix seconds
}

func newKnownStreams(t telemetry.IdentityTable) *knownStreams {
	return &knownStreams{identity: t, tenants: map[string]*tenantStreams{}}
}

func (k *knownStreams) tenant(name string) *tenantStreams {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tenants[name]
	if t == nil {
		t = &tenantStreams{streams: map[telemetry.SeriesID]*stream{}}
		k.tenants[name] = t
	}
	return t
}

// get returns the stream of an id. A new one is checked against the limits;
// what they refuse is not remembered.
func (k *knownStreams) get(t *tenantStreams, id telemetry.SeriesID, ls labels.Labels, limits Limits, now int64) (*stream, *rejection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.streams[id]; s != nil {
		s.lastSeen = now
		return s, nil
	}
	if r := limits.checkLabels(ls); r != nil {
		return nil, r
	}
	if limits.MaxStreams > 0 && len(t.streams) >= limits.MaxStreams {
		t.sweepLocked(now)
		if len(t.streams) >= limits.MaxStreams {
			return nil, reject(reasonStreamLimit, "stream %s is one more than %d active ones: logs.limits.max_streams", clip(ls.String()), limits.MaxStreams)
		}
	}
	who := k.identity.FromLabels(ls)
	s := &stream{
		id: id, application: who.Application, service: who.Service, cluster: who.Cluster, namespace: who.Namespace,
		level: labelLevel(ls), lastSeen: now,
	}
	t.streams[id] = s
	return s, nil
}

// sweepLocked forgets streams without lines for an hour, once a minute at most.
func (t *tenantStreams) sweepLocked(now int64) {
	if now-t.swept < 60 {
		return
	}
	t.swept = now
	for id, s := range t.streams {
		if now-s.lastSeen > activeFor {
			delete(t.streams, id)
		}
	}
}

// sweep forgets what is old in all tenants.
func (k *knownStreams) sweep(now int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, t := range k.tenants {
		t.mu.Lock()
		if t.sweepLocked(now); len(t.streams) == 0 && t.swept == now {
			delete(k.tenants, name)
		}
		t.mu.Unlock()
	}
}

// len is the number of known streams.
func (k *knownStreams) len() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.tenants {
		t.mu.Lock()
		n += len(t.streams)
		t.mu.Unlock()
	}
	return n
}
