package alerting

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/watchfire/watchfire/alerting/notify"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/server"
)

// maxRuleFile is the largest rule file that the API judges, in bytes.
const maxRuleFile = 4 << 20

// maxHistory is how many transitions one request may ask for.
const maxHistory = 1000

// Register adds our own API and the tenants' Alertmanager API.
func (s *Service) Register(mux *server.Mux) {
	mux.HandleFunc("GET /api/ops/v1/alerts", server.Read, s.serveAlerts)
	mux.HandleFunc("GET /api/ops/v1/alerts/{id}/history", server.Read, s.serveHistory)
	mux.HandleFunc("GET /api/ops/v1/rules", server.Read, s.serveRules)
	mux.HandleFunc("POST /api/ops/v1/rules/validate", server.Read, s.serveValidate)

	am := http.StripPrefix("/alertmanager", server.Handle(s.serveAlertmanager))
	mux.Handle("GET /alertmanager/api/v2/", server.Read, am)
	mux.Handle("POST /alertmanager/api/v2/alerts", server.Ingest, am)
	mux.Handle("POST /alertmanager/api/v2/silences", server.Write, am)
	mux.Handle("DELETE /alertmanager/api/v2/silence/{id}", server.Write, am)
}

// RegisterPrometheus adds Prometheus' /rules and /alerts below the folder of
// its API, such as /api/v1; they take the place of web/api/v1's.
func (s *Service) RegisterPrometheus(mux *server.Mux, folder string) {
	for path, fn := range map[string]func(http.ResponseWriter, *http.Request) error{"/rules": s.servePromRules, "/alerts": s.servePromAlerts} {
		mux.HandleFunc("GET "+folder+path, server.Read, fn)
	}
}

func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // reasons compare with < and >
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes()) // a client that left misses nothing
	return nil
}

// serveAlerts answers with the alerts that meet all of the parameters level,
// state, rule, owner and application; one that is given several times means
// any of its values.
func (s *Service) serveAlerts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	for _, l := range q["level"] {
		if _, err := rules.ParseLevel(l); err != nil && l != "none" {
			return server.Invalid("parameter level: %w", err)
		}
	}
	for _, state := range q["state"] {
		if !slices.Contains([]string{"pending", "firing", "unknown"}, state) {
			return server.Invalid("parameter state: unknown state %q: use pending, firing or unknown", state)
		}
	}
	alerts := slices.DeleteFunc(s.Alerts(server.Tenant(r.Context())), func(a Alert) bool {
		for key, value := range map[string]string{"level": a.Level.String(), "state": a.State.String(), "rule": a.Rule, "owner": a.Owner, "application": a.Application} {
			if q.Has(key) && !slices.Contains(q[key], value) {
				return true
			}
		}
		return false
	})
	return writeJSON(w, map[string]any{"alerts": alerts})
}

func (s *Service) serveHistory(w http.ResponseWriter, r *http.Request) error {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxHistory {
			return server.Invalid("parameter limit: %q must be a number from 1 to %d", text, maxHistory)
		}
		limit = n
	}
	es, err := s.history.Entries(r.Context(), server.Tenant(r.Context()), r.PathValue("id"), limit)
	if err != nil {
		return err
	}
	if es == nil {
		return server.NotFound("no alert %q has a history", r.PathValue("id"))
	}
	ts := make([]Transition, len(es))
	for i, e := range es {
		ts[i] = newTransition(e)
	}
	return writeJSON(w, map[string]any{"transitions": ts})
}

func (s *Service) serveRules(w http.ResponseWriter, r *http.Request) error {
	groups := []Group{}
	for _, g := range s.engine.Groups(server.Tenant(r.Context())) {
		groups = append(groups, newGroup(&g))
	}
	return writeJSON(w, map[string]any{"groups": groups})
}

// problem is what is wrong with a rule file.
type problem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// serveValidate judges the rule file in the body. A file that is wrong is no
// error of the request.
func (s *Service) serveValidate(w http.ResponseWriter, r *http.Request) error {
	src, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRuleFile))
	if err != nil {
		return err
	}
	groups, found := rules.Parse("body", src, rules.Options{LogQL: s.o.LogQL})
	n := 0
	for _, g := range groups {
		n += len(g.Rules)
	}
	problems := []problem{}
	for _, p := range found {
		problems = append(problems, problem{p.Line, p.Col, p.Message, p.Hint})
	}
	return writeJSON(w, map[string]any{"valid": len(problems) == 0, "groups": len(groups), "rules": n, "problems": problems})
}

func (s *Service) serveAlertmanager(w http.ResponseWriter, r *http.Request) error {
	h, err := s.notifier.Handler(r.Context(), server.Tenant(r.Context()))
	switch {
	case errors.Is(err, notify.ErrTooManyTenants):
		return server.TooMany(time.Minute, "%w (%d)", err, s.o.Config.Notify.MaxTenants)
	case errors.Is(err, notify.ErrClosed):
		return server.Unavailable(5*time.Second, "%w", err)
	case err != nil:
		return err
	}
	h.ServeHTTP(w, r)
	return nil
}
