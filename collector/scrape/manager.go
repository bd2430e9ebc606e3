package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/logging"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

// Options are what scraping works with.
type Options struct {
	Config Config
	// Appendable makes the storage that samples are appended to. tenant tells
	// from an appender's context whose they are.
	Appendable func(tenant func(context.Context) string) storage.AppendableV2
	// Stored is told how many samples of a tenant were stored; nil tells nobody.
	Stored     func(tenant string, samples int)
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	// Settle is how long changes of targets are gathered before they take
	// effect; 0 = Prometheus' 5 s.
	Settle time.Duration
}

// Manager finds targets and scrapes them. It is the TargetRetriever that
// Prometheus' API wants.
type Manager struct {
	*scrape.Manager
	options Options
	tenants atomic.Pointer[map[string]string] // by job
	mu      sync.Mutex                        // of applying a configuration
	current Config
	found   *discovery.Manager
	stop    context.CancelFunc // of discovery
}

// New makes a manager of the configuration; Run makes it work.
func New(o Options) (*Manager, error) {
	m := &Manager{options: o}
	if o.Settle == 0 {
		o.Settle = 5 * time.Second
	}
	metrics, err := discovery.CreateAndRegisterSDMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("cannot register metrics of service discovery: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.found = discovery.NewManager(ctx, o.Logger.With("part", "discovery"), o.Registerer, metrics, discovery.Name("scrape"), discovery.Updatert(o.Settle))
	if m.found == nil {
		stop()
		return nil, errors.New("cannot create service discovery: its metrics are registered already")
	}
	m.Manager, err = scrape.NewManager(&scrape.Options{
		PassMetadataInContext:    true, // the target is what tells the tenant
		AppendMetadata:           true,
		ParseST:                  true,
		DiscoveryReloadInterval:  model.Duration(o.Settle),
		DiscoveryReloadOnStartup: true,
	}, o.Logger.With("part", "scrape"), logging.NewJSONFileLogger, nil, &counted{o.Appendable(m.Tenant), m}, o.Registerer)
	if err != nil {
		stop()
		return nil, err
	}
	if err := m.Apply(o.Config); err != nil {
		stop()
		return nil, err
	}
	return m, nil
}

// Apply replaces the configuration. On an error the old one stays.
func (m *Manager) Apply(c Config) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	cfg, tenants, err := c.load(m.options.Logger)
	if err != nil {
		return err
	}
	m.tenants.Store(&tenants)
	if err := m.Manager.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("cannot apply the scrape configuration: %w", err)
	}
	found := map[string]discovery.Configs{}
	for _, j := range cfg.ScrapeConfigs {
		found[j.JobName] = j.ServiceDiscoveryConfigs
	}
	if err := m.found.ApplyConfig(found); err != nil {
		return fmt.Errorf("cannot apply the scrape configuration: %w", err)
	}
	m.current = c
	return nil
}

// Reload reads the files of the present configuration again.
func (m *Manager) Reload() error {
	m.mu.Lock()
	c := m.current
	m.mu.Unlock()
	return m.Apply(c)
}

// Run scrapes until ctx ends; what is being appended then is still stored.
func (m *Manager) Run(ctx context.Context) error {
	ended := make(chan error, 2)
	go func() { ended <- m.found.Run() }()
	go func() { ended <- m.Manager.Run(m.found.SyncCh()) }()
	var err error
	left := 2
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	m.Manager.Stop()
	m.stop()
	for range left {
		if e := <-ended; !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Tenant is whose the samples of an appender's context are: that of the job
// that found the target.
func (m *Manager) Tenant(ctx context.Context) string {
	if t, ok := scrape.TargetFromContext(ctx); ok {
		b := labels.NewBuilder(labels.EmptyLabels())
		if tenant, ok := (*m.tenants.Load())[t.DiscoveredLabels(b).Get("job")]; ok {
			return tenant
		}
	}
	if t := server.Tenant(ctx); t != "" {
		return t
	}
	return telemetry.DefaultTenant
}

// counted tells how many samples are stored.
type counted struct {
	storage.AppendableV2
	m *Manager
}

// AppenderV2 implements storage.AppendableV2.
func (c *counted) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := c.AppendableV2.AppenderV2(ctx)
	if c.m.options.Stored == nil {
		return app
	}
	return &countedAppender{AppenderV2: app, tenant: c.m.Tenant(ctx), stored: c.m.options.Stored}
}

type countedAppender struct {
	storage.AppenderV2
	tenant  string
	samples int
	stored  func(tenant string, samples int)
}

// Append implements storage.AppenderV2.
func (a *countedAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
	if err == nil {
		a.samples++
	}
	return ref, err
}

// Commit implements storage.AppenderV2.
func (a *countedAppender) Commit() error {
	err := a.AppenderV2.Commit()
	if err == nil {
		a.stored(a.tenant, a.samples)
	}
	return err
}
