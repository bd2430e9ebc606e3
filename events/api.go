package events

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

// API answers /api/ops/v1/events, /changes and /states. All take start and
// end, or at, as Unix seconds or RFC 3339; entity_kind, cluster, namespace,
// name, uid and limit; events and changes also source, reason, severity (the
// least), text and, for changes, kind.
type API struct{ reader *Reader }

// NewAPI returns an API over reader.
func NewAPI(reader *Reader) *API { return &API{reader} }

// Mux is what routes are added to; *server.Mux is one.
type Mux interface {
	HandleFunc(pattern string, access server.Access, fn func(w http.ResponseWriter, r *http.Request) error, opts ...server.Option)
}

// Register adds the API's routes below /api/ops/v1.
func (a *API) Register(mux Mux) {
	mux.HandleFunc("GET /api/ops/v1/events", server.Read, a.list(false))
	mux.HandleFunc("GET /api/ops/v1/changes", server.Read, a.list(true))
	mux.HandleFunc("GET /api/ops/v1/states", server.Read, a.states)
}

type entityJSON struct {
	Kind      string `json:"kind,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
}

type eventJSON struct {
	Time       time.Time      `json:"time"`
	Source     string         `json:"source"`
	ID         string         `json:"id"`
	Entity     entityJSON     `json:"entity"`
	Severity   uint8          `json:"severity,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Message    string         `json:"message,omitempty"`
	Count      uint32         `json:"count,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Change     *changeJSON    `json:"change,omitempty"`
}

type changeJSON struct {
	Kind      string `json:"kind"`
	Reference string `json:"reference,omitempty"`
	Author    string `json:"author,omitempty"`
	Title     string `json:"title,omitempty"`
	Before    string `json:"before,omitempty"`
	After     string `json:"after,omitempty"`
	URL       string `json:"url,omitempty"`
}

type stateJSON struct {
	Time    time.Time       `json:"time"`
	Entity  entityJSON      `json:"entity"`
	Version string          `json:"version,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	Object  json.RawMessage `json:"object,omitempty"`
}

func (a *API) list(changes bool) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := filterOf(r.URL.Query(), changes)
		if err != nil {
			return err
		}
		found, _, err := a.reader.Events(r.Context(), server.Tenant(r.Context()), f)
		if err != nil {
			return err
		}
		out := make([]eventJSON, len(found))
		for i := range found {
			out[i] = eventOf(&found[i])
		}
		return server.WriteData(w, out)
	}
}

func (a *API) states(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := StateFilter{Entity: entityOf(q)}
	var err error
	if f.At, err = timeOf(q, "at"); err != nil {
		return err
	}
	if f.Limit, err = count(q, "limit", math.MaxInt32); err != nil {
		return err
	}
	read := a.reader.StatesAsOf
	if q.Get("history") == "true" {
		read = a.reader.StateHistory
	}
	found, _, err := read(r.Context(), server.Tenant(r.Context()), f)
	if err != nil {
		return err
	}
	out := make([]stateJSON, len(found))
	for i, s := range found {
		out[i] = stateJSON{Time: utc(s.Time), Entity: entityJSON(s.Entity), Version: s.Version, Deleted: s.Deleted}
		if s.Object != "" {
			out[i].Object = json.RawMessage(s.Object)
			if !json.Valid(out[i].Object) {
				out[i].Object, _ = json.Marshal(s.Object) // a string always marshals
			}
		}
	}
	return server.WriteData(w, out)
}

func eventOf(e *telemetry.Change) eventJSON {
	out := eventJSON{
		Time: utc(e.Time), Source: e.Source, ID: e.ID, Entity: entityJSON(e.Entity), Severity: uint8(e.Severity),
		Reason: e.Reason, Message: e.Message, Count: e.Count,
	}
	for _, a := range e.Attrs {
		if out.Attributes == nil {
			out.Attributes = map[string]any{}
		}
		out.Attributes[a.Key] = jsonValue(a.Value)
	}
	if e.Kind != "" {
		out.Change = &changeJSON{e.Kind, e.Reference, e.Author, e.Title, e.Before, e.After, e.URL}
	}
	return out
}

// jsonValue is a value as encoding/json writes it.
func jsonValue(v telemetry.Value) any {
	switch v.Kind() {
	case telemetry.KindInt:
		return v.Int()
	case telemetry.KindFloat:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case telemetry.KindBool:
		return v.Bool()
	case telemetry.KindJSON:
		if raw := json.RawMessage(v.String()); json.Valid(raw) {
			return raw
		}
	}
	return v.String()
}

func filterOf(q url.Values, changes bool) (f Filter, err error) {
	f = Filter{Entity: entityOf(q), Source: q.Get("source"), Reason: q.Get("reason"), Text: q.Get("text"), Changes: changes}
	if changes {
		f.ChangeKind = q.Get("kind")
	}
	if f.From, err = timeOf(q, "start"); err != nil {
		return f, err
	}
	if f.To, err = timeOf(q, "end"); err != nil {
		return f, err
	}
	if f.From != 0 && f.To == 0 {
		f.To = math.MaxInt64
	}
	severity, err := count(q, "severity", 24)
	if err != nil {
		return f, err
	}
	f.MinSeverity = telemetry.Severity(severity)
	f.Limit, err = count(q, "limit", math.MaxInt32)
	return f, err
}

func entityOf(q url.Values) telemetry.EntityRef {
	return telemetry.EntityRef{Kind: q.Get("entity_kind"), Cluster: q.Get("cluster"), Namespace: q.Get("namespace"), Name: q.Get("name"), UID: q.Get("uid")}
}

// timeOf reads Unix seconds, with or without a fraction, or RFC 3339; 0 when
// it is not given.
func timeOf(q url.Values, name string) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return 0, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.Abs(f) < 9e9 {
			return int64(math.Round(f * 1e9)), nil
		}
	} else if t, err := time.Parse(time.RFC3339Nano, s); err == nil && t.Year() > 1678 && t.Year() < 2262 {
		return t.UnixNano(), nil
	}
	return 0, server.Invalid("cannot parse %s %q: want Unix seconds or RFC 3339", name, s)
}

// count reads a number from 0 to most; 0 when it is not given.
func count(q url.Values, name string, most int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, server.Invalid("cannot parse %s %q: want a number from 0 to %d", name, s, most)
	}
	return n, nil
}

func utc(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
