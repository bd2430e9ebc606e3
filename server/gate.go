package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gate knows callers: it verifies what they show and decides what they may.
type Gate struct {
	state  atomic.Pointer[gateState]
	store  TokenStore
	log    *slog.Logger
	failed *prometheus.CounterVec
}

// gateState is what a reload replaces.
type gateState struct {
	policy  policy
	keyring *keyring // nil = nobody is known
	config  AccessConfig
}

// NewGate returns a gate of the configuration. store holds the tokens made at
// run time, nil = none. Its errors name files that cannot be read and options.
func NewGate(c AccessConfig, store TokenStore, log *slog.Logger, reg prometheus.Registerer) (*Gate, error) {
	g := &Gate{store: store, log: log,
		failed: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_authentication_failures_total", Help: "Calls with credentials that are no good, by the kind of credential."}, []string{"method"}))}
	return g, g.Update(c)
}

// Update replaces the configuration, or leaves it when it has errors. Token
// files are read again.
func (g *Gate) Update(c AccessConfig) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("server.access: %w", err)
	}
	v, err := newKeyring(c, g.store, g.log)
	if err != nil {
		return fmt.Errorf("server.access: %w", err)
	}
	g.state.Store(&gateState{config: c, keyring: v, policy: policy{trustLoopback: c.TrustLoopback, anonymous: c.AnonymousRole, origins: c.Origins}})
	return nil
}

// loopbackGate knows clients on this machine and nobody else.
func loopbackGate() *Gate {
	g := &Gate{log: slog.Default(), failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unused"}, []string{"method"})}
	g.state.Store(&gateState{config: DefaultAccessConfig(), policy: policy{trustLoopback: true}})
	return g
}

// usePeriod is how often the last uses of tokens are stored.
const usePeriod = 30 * time.Second

// Run stores when tokens were last used, until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	t := time.NewTicker(usePeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			g.flush(last)
			return nil
		case <-t.C:
			g.flush(ctx)
		}
	}
}

func (g *Gate) flush(ctx context.Context) {
	if v := g.state.Load().keyring; v != nil {
		v.flush(ctx)
	}
}

// someoneCanLogIn reports whether anyone who is not on this machine can get in.
func (g *Gate) someoneCanLogIn(ctx context.Context) (bool, error) {
	if g.state.Load().config.someoneCanLogIn() {
		return true, nil
	}
	if g.store == nil {
		return false, nil
	}
	return g.store.HasTokens(ctx)
}

// admit says who sent r and for which tenant, or why it is turned away.
func (g *Gate) admit(r *http.Request, a Access) (Identity, string, error) {
	return g.decide(r.Context(), requestFacts(r, a), r.Header.Get("Authorization"), subjectOf(r.TLS))
}

func (g *Gate) decide(ctx context.Context, f facts, authorization, subject string) (Identity, string, error) {
	s := g.state.Load()
	if f.Access != Public && (authorization != "" || subject != "") {
		if s.keyring != nil {
			s.keyring.verify(ctx, &f, authorization, subject)
		} else if authorization != "" {
			f.Credential, f.Refused = MethodToken, errUnknownToken
		}
		if e := (*Error)(nil); errors.As(f.Refused, &e) && e.Status == http.StatusUnauthorized {
			g.failed.WithLabelValues(string(f.Credential)).Inc()
		}
	}
	return decide(f, s.policy)
}

// challenge says which credentials are taken, when err is that the caller is
// unknown; it makes a browser ask for them.
func (g *Gate) challenge(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return
	}
	w.Header().Add("WWW-Authenticate", `Bearer realm="watchfire"`)
	w.Header().Add("WWW-Authenticate", `Basic realm="watchfire", charset="UTF-8"`)
}

// allowsOrigin reports whether pages of a foreign origin may call.
func (g *Gate) allowsOrigin(origin string) bool {
	for _, o := range g.state.Load().policy.origins {
		if o == origin {
			return true
		}
	}
	return false
}
