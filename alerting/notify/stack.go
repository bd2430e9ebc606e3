package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
)

// stack is the Alertmanager of one tenant: the parts that last, and those that
// each configuration makes anew. It is wired as Alertmanager's app package
// does.
type stack struct {
	tenant   string
	log      *slog.Logger
	reg      *registerer
	external *url.URL
	cfg      Config

	alerts    *mem.Alerts
	silences  *silence.Silences
	silencer  *silence.Silencer
	nflog     *nflog.Log
	groups    marker.GroupMarker
	pipeline  *amnotify.PipelineBuilder
	dispatchM *dispatch.DispatcherMetrics
	api       *api.API
	handler   http.Handler

	silencesSaver *saver
	nflogSaver    *saver
	saving        sync.Mutex // held while a snapshot is loaded or saved

	mu         sync.Mutex // held while a configuration is applied
	dispatcher atomic.Pointer[dispatch.Dispatcher]
	inhibitor  atomic.Pointer[inhibit.Inhibitor]
	running    sync.WaitGroup // inhibitor and dispatcher of the configuration
	used       atomic.Int64   // Unix seconds of the last use

	stop    chan struct{}
	keeping sync.WaitGroup // maintenance
}

// limits bounds the dispatcher.
type limits struct{ groups int }

// MaxNumberOfAggregationGroups implements dispatch.Limits.
func (l limits) MaxNumberOfAggregationGroups() int { return l.groups }

func newStack(ctx context.Context, tenant string, o Options) (s *stack, err error) {
	s = &stack{tenant: tenant, log: o.Logger.With("tenant", tenant), reg: newRegisterer(o.Registerer, tenant),
		external: o.ExternalURL, cfg: o.Config, groups: marker.NewGroupMarker(), stop: make(chan struct{})}
	s.used.Store(time.Now().Unix())
	defer func() {
		if err != nil {
			s.reg.close()
		}
	}()
	if err := s.makeParts(ctx, o); err != nil {
		return nil, fmt.Errorf("cannot make the Alertmanager of tenant %q: %w", tenant, err)
	}
	return s, nil
}

func (s *stack) makeParts(ctx context.Context, o Options) (err error) {
	nop, flags := eventrecorder.NopRecorder(), featurecontrol.NoopFlags{}
	retention := time.Duration(s.cfg.Retention)
	s.nflog, err = nflog.New(nflog.Options{Retention: retention, Logger: s.log, Metrics: s.reg})
	if err != nil {
		return err
	}
	s.silences, err = silence.New(silence.Options{
		Retention: retention, Logger: s.log, Metrics: s.reg, EventRecorder: nop,
		Limits: silence.Limits{
			MaxSilences:         func() int { return s.cfg.MaxSilences },
			MaxSilenceSizeBytes: func() int { return s.cfg.MaxSilenceBytes },
		},
	})
	if err != nil {
		return err
	}
	s.silencesSaver = &saver{store: o.Snapshots, tenant: s.tenant, name: "silences", state: s.silences, dirty: make(chan struct{}, 1)}
	s.nflogSaver = &saver{store: o.Snapshots, tenant: s.tenant, name: "nflog", state: s.nflog, dirty: make(chan struct{}, 1)}
	if err := errors.Join(s.silencesSaver.load(ctx), s.nflogSaver.load(ctx)); err != nil {
		return err
	}
	s.silences.SetBroadcast(func([]byte) { s.silencesSaver.mark() })
	s.nflog.SetBroadcast(func([]byte) { s.nflogSaver.mark() })

	s.silencer = silence.NewSilencer(s.silences, s.log, nop)
	s.alerts, err = mem.NewAlerts(context.Background(), 10*time.Minute, s.cfg.MaxAlertsPerName, s.silencer, s.log, nop, s.reg, flags)
	if err != nil {
		return err
	}
	s.pipeline = amnotify.NewPipelineBuilder(s.reg, flags, nop)
	s.dispatchM = dispatch.NewDispatcherMetrics(false, s.reg, flags)
	return s.makeAPI()
}

func (s *stack) makeAPI() (err error) {
	s.api, err = api.New(api.Options{
		Alerts: s.alerts, Silences: s.silences, GroupMutedFunc: s.groups.Muted, Logger: s.log, Registry: s.reg,
		RequestDuration: promauto.With(s.reg).NewHistogramVec(prometheus.HistogramOpts{
			Name: "alertmanager_http_request_duration_seconds", Help: "Histogram of latencies for HTTP requests.", Buckets: prometheus.DefBuckets,
		}, []string{"handler", "method", "code"}),
		GroupFunc: func(ctx context.Context, rf func(*dispatch.Route) bool, af func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			return s.dispatcher.Load().Groups(ctx, rf, af)
		},
	})
	if err != nil {
		s.alerts.Close()
		return err
	}
	s.handler = s.stored(s.api.Register(route.New(), "/"))
	return nil
}

// apply swaps in a configuration. When it fails, the old one goes on.
func (s *stack) apply(conf *amconfig.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tmpl, err := template.FromGlobs(conf.Templates)
	if err != nil {
		return fmt.Errorf("cannot parse the notification templates: %w", err)
	}
	tmpl.ExternalURL = s.external
	routes := dispatch.NewRoute(conf.Route, nil)
	receivers, err := buildReceivers(conf, routes, tmpl, s.log)
	if err != nil {
		return err
	}
	s.halt()

	nop := eventrecorder.NopRecorder()
	inhibitor := inhibit.NewInhibitor(s.alerts, conf.InhibitRules, s.log, nop)
	noWait := func() time.Duration { return 0 }
	stage := s.pipeline.New(receivers, noWait, inhibitor, s.silencer, timeinterval.NewIntervener(intervals(conf)), s.groups, s.nflog, nil)
	atLeast := func(d time.Duration) time.Duration { return max(d, amnotify.MinTimeout) }
	dispatcher := dispatch.NewDispatcher(s.alerts, routes, movedStage{stage}, s.groups, atLeast, 30*time.Second,
		limits{s.cfg.MaxGroups}, s.log, nop, s.dispatchM, tmpl)
	s.api.Update(conf, func(ctx context.Context, ls model.LabelSet) {
		s.inhibitor.Load().Mutes(ctx, ls)
		s.silencer.Mutes(ctx, ls)
	})

	// The inhibitor knows all alerts before the dispatcher sends the first.
	s.running.Go(inhibitor.Run)
	inhibitor.WaitForLoading()
	s.inhibitor.Store(inhibitor)
	s.running.Go(func() { dispatcher.Run(time.Now()) })
	dispatcher.WaitForLoading()
	s.dispatcher.Store(dispatcher)
	return nil
}

// halt stops what a configuration runs. Notifications under way are given up
// and made again by whoever dispatches next.
func (s *stack) halt() {
	s.inhibitor.Load().Stop()
	s.dispatcher.Load().Stop()
	s.running.Wait()
}

func buildReceivers(conf *amconfig.Config, routes *dispatch.Route, tmpl *template.Template, log *slog.Logger) (map[string][]amnotify.Integration, error) {
	used := map[string]bool{}
	routes.Walk(func(r *dispatch.Route) { used[r.RouteOpts.Receiver] = true })
	receivers := map[string][]amnotify.Integration{}
	for _, rcv := range conf.Receivers {
		if !used[rcv.Name] {
			continue
		}
		integrations, err := receiver.BuildReceiverIntegrations(rcv, tmpl, log)
		if err != nil {
			return nil, fmt.Errorf("cannot make receiver %q: %w", rcv.Name, err)
		}
		receivers[rcv.Name] = integrations
	}
	return receivers, nil
}

func intervals(conf *amconfig.Config) map[string][]timeinterval.TimeInterval {
	m := map[string][]timeinterval.TimeInterval{}
	for _, ti := range conf.MuteTimeIntervals {
		m[ti.Name] = ti.TimeIntervals
	}
	for _, ti := range conf.TimeIntervals {
		m[ti.Name] = ti.TimeIntervals
	}
	return m
}

// start keeps the snapshots until close.
func (s *stack) start() {
	s.keeping.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		save, sync := time.NewTicker(time.Second), time.NewTicker(10*time.Second)
		gc := time.NewTicker(15 * time.Minute)
		defer save.Stop()
		defer sync.Stop()
		defer gc.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-save.C:
				s.saveDirty(ctx)
			case <-sync.C:
				s.loadNews(ctx)
			case <-gc.C:
				s.collect()
			}
		}
	})
}

func (s *stack) saveDirty(ctx context.Context) {
	s.saving.Lock()
	defer s.saving.Unlock()
	for _, sv := range []*saver{s.silencesSaver, s.nflogSaver} {
		select {
		case <-sv.dirty:
		default:
			continue
		}
		if err := sv.save(ctx); err != nil {
			sv.mark() // again in a second
			s.log.Warn("a snapshot was not saved", "error", err)
		}
	}
}

// loadNews merges what other replicas saved.
func (s *stack) loadNews(ctx context.Context) {
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := errors.Join(s.silencesSaver.load(ctx), s.nflogSaver.load(ctx)); err != nil {
		s.log.Warn("snapshots were not loaded", "error", err)
	}
}

func (s *stack) collect() {
	_, err1 := s.silences.GC()
	_, err2 := s.nflog.GC()
	if err := errors.Join(err1, err2); err != nil {
		s.log.Warn("old silences and notifications were not removed", "error", err)
	}
	s.silencesSaver.mark()
	s.nflogSaver.mark()
}

// close stops everything and saves. The stack is of no use after it.
func (s *stack) close(ctx context.Context) error {
	s.mu.Lock()
	s.halt()
	s.mu.Unlock()
	close(s.stop)
	s.keeping.Wait()
	s.alerts.Close()
	s.saving.Lock()
	defer s.saving.Unlock()
	err := errors.Join(s.silencesSaver.save(ctx), s.nflogSaver.save(ctx))
	s.reg.close()
	return err
}

// idle reports whether the stack holds nothing that counts.
func (s *stack) idle(ctx context.Context) bool {
	it := s.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		if !a.Data.Resolved() {
			return false
		}
	}
	n, err := s.silences.CountState(ctx, silence.SilenceStateActive, silence.SilenceStatePending)
	return err == nil && n == 0
}
