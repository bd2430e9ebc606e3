package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a Manager works with. Snapshots is needed.
type Options struct {
	Config      Config
	Snapshots   Snapshots
	ExternalURL *url.URL // where people reach the Alertmanager API's server, for links
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Manager holds the tenants' Alertmanagers. Each is made when its tenant is
// first asked for.
type Manager struct {
	o Options

	mu     sync.Mutex
	stacks map[string]*stack
	closed bool
}

// ErrTooManyTenants is what a tenant gets for whom there is no place.
var ErrTooManyTenants = errors.New("too many tenants have alerts or silences: raise alerting.notify.max_tenants")

// ErrClosed is what callers get while the process stops.
var ErrClosed = errors.New("notifications are stopped")

var matchers sync.Once

// New makes a Manager without tenants. The configuration files are checked.
func New(o Options) (*Manager, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{Scheme: "http", Host: "localhost:8930", Path: "/alertmanager"}
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	// Matchers are parsed as Alertmanager's binary does by default.
	matchers.Do(func() { compat.InitFromFlags(o.Logger, featurecontrol.NoopFlags{}) })
	return &Manager{o: o, stacks: map[string]*stack{}}, nil
}

// Put hands alerts of a tenant in. EndsAt says whether an alert fires or is
// resolved. The Manager owns the alerts.
func (m *Manager) Put(ctx context.Context, tenant string, alerts ...*alert.Alert) error {
	s, err := m.stack(ctx, tenant)
	if err != nil {
		return err
	}
	return s.alerts.Put(ctx, alerts...)
}

// Handler is the Alertmanager of the tenant, to be served below the folder
// that the external URL names: its API is at /api/v2.
func (m *Manager) Handler(ctx context.Context, tenant string) (http.Handler, error) {
	s, err := m.stack(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return s.handler, nil
}

// stack finds or makes a tenant's Alertmanager.
func (m *Manager) stack(ctx context.Context, tenant string) (*stack, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.stacks[tenant]; s != nil {
		s.used.Store(time.Now().Unix())
		return s, nil
	}
	if m.closed {
		return nil, ErrClosed
	}
	if len(m.stacks) >= m.o.Config.MaxTenants && !m.evict(ctx) {
		return nil, ErrTooManyTenants
	}
	conf, err := load(m.o.Config.file(tenant))
	if err != nil {
		return nil, err
	}
	s, err := newStack(ctx, tenant, m.o)
	if err != nil {
		return nil, err
	}
	s.start()
	if err := s.apply(conf); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	m.stacks[tenant] = s
	return s, nil
}

// evict makes room by the idle tenant that was longest not used.
func (m *Manager) evict(ctx context.Context) bool {
	var oldest *stack
	for _, s := range m.stacks {
		if (oldest == nil || s.used.Load() < oldest.used.Load()) && s.idle(ctx) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	delete(m.stacks, oldest.tenant)
	if err := oldest.close(ctx); err != nil {
		m.o.Logger.Warn("an idle tenant's notifications were not stored", "error", err)
	}
	return true
}

// Reload reads the configuration files again. When any is wrong, nothing
// changes.
func (m *Manager) Reload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.o.Config.Validate(); err != nil {
		return err
	}
	var errs []error
	loaded := map[string]*amconfig.Config{}
	for tenant, s := range m.stacks {
		file := m.o.Config.file(tenant)
		if loaded[file] == nil {
			conf, err := load(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			loaded[file] = conf
		}
		if err := s.apply(loaded[file]); err != nil {
			errs = append(errs, fmt.Errorf("tenant %q keeps its old configuration: %w", tenant, err))
		}
	}
	return errors.Join(errs...)
}

// Reset drops all alerts and tells nobody, because another replica has taken
// over telling. Silences and what was notified stay.
func (m *Manager) Reset(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closeAll(ctx)
}

func (m *Manager) closeAll(ctx context.Context) error {
	var errs []error
	for tenant, s := range m.stacks {
		errs = append(errs, s.close(ctx))
		delete(m.stacks, tenant)
	}
	return errors.Join(errs...)
}

// Run blocks until ctx ends, then stops all tenants' Alertmanagers and saves
// their silences and notification logs.
func (m *Manager) Run(ctx context.Context) error {
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return m.closeAll(last)
}
