package server

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Use is what a request brings. A Use of zero asks whether the tenant may send
// at all, before its body is read.
type Use struct {
	Requests int
	Bytes    int64 // unpacked
	Records  int   // samples, lines, spans or events
}

// Limiter holds tenants to their rates by token buckets, one per tenant,
// signal and rate. A request is let in while its buckets are not overdrawn and
// may overdraw them itself, so that one larger than the burst passes in the
// end; the tenant then waits until the debt is paid.
type Limiter struct {
	config  atomic.Pointer[LimitsConfig]
	log     *slog.Logger
	refused *prometheus.CounterVec

	mu    sync.Mutex
	state map[limiterKey]*tenantBuckets
	full  time.Time // when a sweep last found nothing to drop
}

type limiterKey struct {
	tenant string
	signal Signal
}

// tenantBuckets are the three buckets of a tenant's signal.
type tenantBuckets struct {
	buckets [bucketNames]bucket
	logged  time.Time // when a refusal was last logged
}

type bucketName int

const (
	requestBucket bucketName = iota
	byteBucket
	recordBucket
	bucketNames
)

func (b bucketName) String() string { return [...]string{"requests", "bytes", "records"}[b] }
func (b bucketName) key() string    { return b.String() + "_per_second" }

// maxLimiterTenants is how many tenants' signals are remembered. Any caller
// without a bound tenant can invent names.
const maxLimiterTenants = 20_000

// NewLimiter returns a limiter of the limits.
func NewLimiter(c LimitsConfig, reg prometheus.Registerer, log *slog.Logger) *Limiter {
	l := &Limiter{log: log, state: map[limiterKey]*tenantBuckets{},
		refused: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_limited_total", Help: "Requests refused because their tenant was over a rate, by signal and rate."}, []string{"signal", "limit"}))}
	l.config.Store(&c)
	return l
}

// Update replaces the limits; buckets keep their level.
func (l *Limiter) Update(c LimitsConfig) { l.config.Store(&c) }

// For are the limits of the tenant.
func (l *Limiter) For(tenant string) Limits { return l.config.Load().For(tenant) }

// Allow takes u from the tenant's buckets of the signal, or from none and
// returns a 429 that names the limit, its value, when to come again and the
// option that raises it.
func (l *Limiter) Allow(tenant string, s Signal, u Use, now time.Time) error {
	limits := l.For(tenant)
	rates := limits.rates(s)
	if rates == (Rates{}) {
		return nil
	}
	perSecond := [bucketNames]float64{rates.RequestsPerSecond, rates.BytesPerSecond, rates.RecordsPerSecond}
	taken := [bucketNames]float64{float64(u.Requests), float64(u.Bytes), float64(u.Records)}

	which, wait, log := l.take(limiterKey{tenant, s}, perSecond, taken, limits.Burst, now)
	if wait == 0 {
		return nil
	}
	l.refused.WithLabelValues(string(s), which.key()).Inc()
	err := limitError(tenant, s, which, perSecond[which], wait)
	if log {
		l.log.Warn("tenant is over its limit", "tenant", tenant, "signal", string(s), "limit", which.key(), "value", perSecond[which])
	}
	return err
}

// take returns the bucket that refuses and for how long, and whether that is
// worth a log line: one a minute.
func (l *Limiter) take(k limiterKey, perSecond, n [bucketNames]float64, burst time.Duration, now time.Time) (bucketName, time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tenantLocked(k, now)
	for i := range t.buckets {
		if wait := t.buckets[i].wait(perSecond[i], burst, now); wait > 0 {
			log := now.Sub(t.logged) >= time.Minute
			if log {
				t.logged = now
			}
			return bucketName(i), wait, log
		}
	}
	for i := range t.buckets {
		t.buckets[i].take(n[i], perSecond[i])
	}
	return 0, 0, false
}

func (l *Limiter) tenantLocked(k limiterKey, now time.Time) *tenantBuckets {
	t, ok := l.state[k]
	if ok {
		return t
	}
	if len(l.state) >= maxLimiterTenants {
		l.sweepLocked(now)
	}
	t = &tenantBuckets{}
	l.state[k] = t
	return t
}

// sweepLocked drops tenants that were quiet so long that their buckets are full:
// nothing is lost with them. When all are busy, any goes, at most 1 in 16, and
// gets a fresh burst.
func (l *Limiter) sweepLocked(now time.Time) {
	if now.Sub(l.full) > time.Second {
		for k, t := range l.state {
			if t.fullAt().Before(now) {
				delete(l.state, k)
			}
		}
		l.full = now
	}
	drop := len(l.state) - maxLimiterTenants*15/16
	for k := range l.state {
		if drop <= 0 {
			return
		}
		delete(l.state, k)
		drop--
	}
}

func (t *tenantBuckets) fullAt() (at time.Time) {
	for i := range t.buckets {
		if f := t.buckets[i].fullAt; f.After(at) {
			at = f
		}
	}
	return at
}

// bucket is a token bucket, kept as the moment at which it is full again; the
// zero value is full.
type bucket struct{ fullAt time.Time }

// wait is how long the bucket stays overdrawn.
func (b *bucket) wait(perSecond float64, burst time.Duration, now time.Time) time.Duration {
	if perSecond <= 0 {
		*b = bucket{}
		return 0
	}
	if b.fullAt.Before(now) {
		b.fullAt = now
	}
	return max(0, b.fullAt.Sub(now)-burst)
}

// take removes n; wait has been called for the same moment.
func (b *bucket) take(n, perSecond float64) {
	if perSecond > 0 {
		b.fullAt = b.fullAt.Add(time.Duration(min(n/perSecond, 3600) * float64(time.Second)))
	}
}
