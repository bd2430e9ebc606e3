package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sort"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/notify"
	"github.com/watchfire/watchfire/storage/records"
)

// QueryFunc answers an instant query, PromQL or LogQL.
type QueryFunc = eval.QueryFunc

// Options are what a Service works with. Query and Records are needed.
type Options struct {
	Config      Config
	Query       QueryFunc
	LogQL       func(expr string) error // judges a LogQL metric query, nil = any text passes
	Watermark   eval.Watermark          // nil = data are never waited for
	Sink        eval.Sink               // stores recorded series and ALERTS, nil = dropped
	Records     *records.DB
	Holder      string   // names this replica for the lease
	ExternalURL *url.URL // where people reach this server, for links in notifications
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Service is the alert center: rules, their evaluation, notifications.
type Service struct {
	o        Options
	log      *slog.Logger
	engine   *eval.Engine
	notifier *notify.Manager
	history  recordHistory
}

// New reads the rules and the Alertmanager configuration. A rule file that is
// wrong is an error, rules.Problems.
func New(o Options) (*Service, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{Scheme: "http", Host: "localhost:8930"}
	}
	if o.Holder == "" {
		o.Holder = "watchfire"
	}
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	groups, problems := o.Config.load(o.LogQL)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	s := &Service{o: o, log: o.Logger, history: recordHistory{o.Records}}
	var err error
	s.notifier, err = notify.New(notify.Options{Config: o.Config.Notify, Snapshots: recordSnapshots{o.Records},
		ExternalURL: o.ExternalURL.JoinPath("alertmanager"), Logger: o.Logger, Registerer: o.Registerer})
	if err != nil {
		return nil, err
	}
	s.engine = eval.New(eval.Options{
		Config: o.Config.Evaluation, Query: o.Query, Store: &recordStore{db: o.Records}, Watermark: o.Watermark,
		Lease: &recordLease{db: o.Records, holder: o.Holder}, Sink: o.Sink, Notifier: teller{s.notifier}, History: s.history,
		ExternalURL: o.ExternalURL, OnLead: s.onLead, Logger: o.Logger, Registerer: o.Registerer,
	})
	for tenant, gs := range groups {
		s.engine.SetRules(tenant, gs)
	}
	return s, nil
}

// Run evaluates and notifies until ctx ends, then stores what it knows.
func (s *Service) Run(ctx context.Context) error {
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan error, 1)
	go func() { told <- s.notifier.Run(telling) }()
	err := s.engine.Run(ctx)
	stop()
	return errors.Join(err, <-told)
}

// onLead drops the alerts of a replica that no longer evaluates: the one that
// does tells people.
func (s *Service) onLead(leading bool) {
	if leading {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.notifier.Reset(ctx); err != nil {
		s.log.Warn("silences and notification logs were not stored", "error", err)
	}
}

// Reload reads the rules and the Alertmanager configuration again. When any is
// wrong, the old rules, or the old configuration, stay.
func (s *Service) Reload() error {
	groups, problems := s.o.Config.load(s.o.LogQL)
	if err := problems.Err(); err != nil {
		return err
	}
	for _, tenant := range s.engine.Tenants() {
		if _, ok := groups[tenant]; !ok {
			s.engine.SetRules(tenant, nil)
		}
	}
	for tenant, gs := range groups {
		s.engine.SetRules(tenant, gs)
	}
	return s.notifier.Reload()
}

// teller hands evaluated alerts to Alertmanager.
type teller struct{ m *notify.Manager }

// Notify implements eval.Notifier.
func (t teller) Notify(ctx context.Context, tenant string, ns []eval.Notification) error {
	alerts := make([]*alert.Alert, len(ns))
	now := time.Now()
	for i, n := range ns {
		alerts[i] = &alert.Alert{UpdatedAt: now, Alert: model.Alert{
			Labels: labelSet(n.Labels), Annotations: labelSet(n.Annotations),
			StartsAt: n.StartsAt, EndsAt: n.EndsAt, GeneratorURL: n.GeneratorURL,
		}}
	}
	if err := t.m.Put(ctx, tenant, alerts...); err != nil {
		return fmt.Errorf("cannot hand %d alerts to the Alertmanager: %w", len(ns), err)
	}
	return nil
}

func labelSet(ls labels.Labels) model.LabelSet {
	set := make(model.LabelSet, ls.Len())
	ls.Range(func(l labels.Label) {
		if l.Value != "" {
			set[model.LabelName(l.Name)] = model.LabelValue(l.Value)
		}
	})
	return set
}

// Alerts lists a tenant's alerts that are pending, firing or unknown, the
// worst first.
func (s *Service) Alerts(tenant string) []Alert {
	alerts := []Alert{}
	for _, g := range s.engine.Groups(tenant) {
		for i := range g.Rules {
			for _, a := range g.Rules[i].Alerts {
				alerts = append(alerts, newAlert(&g, &g.Rules[i], a))
			}
		}
	}
	sort.SliceStable(alerts, func(i, j int) bool {
		a, b := &alerts[i], &alerts[j]
		if a.Level != b.Level {
			return a.Level > b.Level
		}
		return a.Since.After(b.Since)
	})
	return alerts
}

// Groups shows a tenant's groups with their rules and alerts.
func (s *Service) Groups(tenant string) []eval.GroupView { return s.engine.Groups(tenant) }
